import Kernel

/// One batch on its way into the books, and those who wait for it.
struct BatchFlight: Sendable {
  enum Landing: Sendable {
    /// The lease is held until then at least.
    case committed(until: Deadline)
    case lost(Loss)
    case deposed
    /// Nothing was written.
    case failed(any Error)
    /// It may have been written, and may still be.
    case unknown
  }

  /// Why a batch has to be decided again. Nothing was written.
  enum Loss: Sendable {
    case race
    case duplicate
    /// The reply to its commit was lost, and looking for the outcome has used up its number.
    case settledAgainst
  }

  let entries: [QueueEntry]
  let replies: [@Sendable () -> Void]
  private let term: WriterTerm
  /// Nil when no command changes anything.
  private let batch: LedgerBatch?
  private let store: any LedgerStore
  private let bounds: QueueLimits

  init(_ draft: BatchDraft, under term: WriterTerm, _ store: any LedgerStore, _ bounds: QueueLimits) {
    entries = draft.entries
    replies = draft.replies
    batch = draft.batch(under: term)
    self.term = term
    self.store = store
    self.bounds = bounds
  }

  var isWriting: Bool { batch != nil }

  /// `onApproach` is called when the landing is near.
  func fly(onApproach: @escaping @Sendable () -> Void = {}) async -> Landing {
    let until = Deadline.after(WriterTerm.lease)
    do {
      return try await Deadline.$current.withValue(.after(bounds.roundTime)) { try await write(until, onApproach) }
    } catch {
      return .failed(error)
    }
  }

  private func write(_ until: Deadline, _ onApproach: @escaping @Sendable () -> Void) async throws -> Landing {
    guard let batch else {
      // Refusals and replays rest on memory: they count only if the lease was still held when they were decided.
      return try await store.renew(term) ? .committed(until: until) : .deposed
    }
    switch try await store.commit(batch, onWritten: onApproach) {
    case .committed: return .committed(until: until)
    case .lostRace: return .lost(.race)
    case .duplicate: return .lost(.duplicate)
    case .deposed: return .deposed
    case .unknown: return await settle(batch, until)
    }
  }

  /// With time of its own: the round's may be what has run out.
  private func settle(_ batch: LedgerBatch, _ until: Deadline) async -> Landing {
    await Deadline.$current.withValue(.after(bounds.settleTime)) {
      do {
        switch try await store.settle(batch) {
        case .committed: return .committed(until: until)
        case .notCommitted: return .lost(.settledAgainst)
        case .deposed: return .deposed
        }
      } catch {
        return .unknown
      }
    }
  }
}
