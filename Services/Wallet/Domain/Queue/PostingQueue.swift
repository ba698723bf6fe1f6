import Kernel

/// The one door to the books: every command of this process passes through here, in order.
///
/// While one batch is being committed, callers collect; the next batch takes them all. A round loads what its commands
/// look at, decides them one after the other, each on the books that its predecessors leave, and writes the changes in
/// one transaction. Nobody is answered before that transaction is committed, not even with a refusal or a replay:
/// either may rest on a predecessor of the same batch.
public actor PostingQueue {
  private let store: any LedgerStore
  private let clock: any WallClock
  private let limits: WalletLimits
  private let bounds: QueueLimits
  private let pause: @Sendable (Duration) async -> Void

  private var waiting: [QueueEntry] = []
  private var isWorking = false
  private var lastID: UInt64 = 0

  /// `pause` waits between attempts at a batch; tests pass one that does not.
  public init(
    store: any LedgerStore, clock: any WallClock, limits: WalletLimits, bounds: QueueLimits = QueueLimits(),
    pause: @escaping @Sendable (Duration) async -> Void = { try? await Task.sleep(for: $0) }
  ) {
    self.store = store
    self.clock = clock
    self.limits = limits
    self.bounds = bounds
    self.pause = pause
  }

  /// Applies the command once, however often it is sent.
  ///
  /// Throws the command's refusal, `WALLET_CONFLICT` when other writers won every attempt, `SERVICE_UNAVAILABLE` when
  /// the queue is full or the outcome is unknown, `DEADLINE_EXCEEDED` when the task's deadline passed before the
  /// command's turn came, and whatever the store throws. A cancelled caller's command is dropped if its turn has not
  /// come; otherwise the caller waits for the outcome.
  public func perform<Command: LedgerCommand>(
    _ command: Command, for request: RequestRecord<Command.Answer>? = nil
  ) async throws -> Outcome<Command.Answer> {
    guard waiting.count < bounds.waitingMax else {
      throw Failure(.serviceUnavailable, "too many postings are waiting", retryAfter: .milliseconds(200))
    }
    lastID += 1
    let id = lastID
    let deadline = Deadline.current
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        guard !Task.isCancelled else { return continuation.resume(throwing: CancellationError()) }
        add(QueueEntry(id: id, command, request, deadline: deadline, continuation))
      }
    } onCancel: {
      Task { await self.withdraw(id) }
    }
  }

  /// The answer to a command that was applied before; nil if it was not. Reads only, outside the queue: for checks that
  /// must come after the replay but before the command, such as asking another service.
  public nonisolated func replay<Command: LedgerCommand>(
    of command: Command, for request: RequestRecord<Command.Answer>? = nil
  ) async throws -> Outcome<Command.Answer>? {
    try command.replay(in: try await store.load(command.needs(for: request), at: clock.now()), for: request)
  }

  /// Commands that wait for their turn.
  public var waitingCount: Int { waiting.count }

  private func add(_ entry: QueueEntry) {
    waiting.append(entry)
    guard !isWorking else { return }
    isWorking = true
    // Detached: the batch must not inherit the deadline, the cancellation or the call of whoever came first.
    Task.detached { await self.work() }
  }

  private func withdraw(_ id: UInt64) {
    guard let index = waiting.firstIndex(where: { $0.id == id }) else { return }
    waiting.remove(at: index).fail(CancellationError())
  }

  private func work() async {
    while !waiting.isEmpty {
      let entries = take()
      await Deadline.$current.withValue(.after(bounds.roundTime)) { await commit(entries) }
    }
    isWorking = false
  }

  /// The next batch, in order of arrival. Nobody waits any more for commands whose deadline has passed.
  private func take() -> [QueueEntry] {
    let taken = waiting.prefix(bounds.batchMax)
    waiting.removeFirst(taken.count)
    return taken.filter { entry in
      guard let deadline = entry.deadline, deadline.hasPassed else { return true }
      entry.fail(Failure(.deadlineExceeded, "the posting waited too long for its turn"))
      return false
    }
  }

  /// Answers every entry, exactly once.
  private func commit(_ entries: [QueueEntry]) async {
    guard !entries.isEmpty else { return }
    var last = CommitOutcome.lostRace
    for attempt in 1...bounds.attemptsMax {
      do {
        let round = try await decide(entries)
        last = try await round.batch == nil ? .committed : write(round)
        if case .committed = last { return round.replies.forEach { $0() } }
      } catch {
        return entries.forEach { $0.fail(error) }
      }
      if attempt < bounds.attemptsMax {
        await pause(bounds.retryBase * (1 << (attempt - 1)) * Double.random(in: 0.8...1.2))
      }
    }
    if case .duplicate = last, entries.count > 1 {
      // One command collides with something that its needs did not name: only it shall fail.
      await commit(Array(entries.prefix(entries.count / 2)))
      await commit(Array(entries.suffix(entries.count - entries.count / 2)))
    } else {
      let failure = Failure(.walletConflict, "other writers were faster; send it again with the same request id")
      entries.forEach { $0.fail(failure) }
    }
  }

  private struct Round {
    /// Nil when no command changes anything.
    let batch: LedgerBatch?
    let replies: [@Sendable () -> Void]
  }

  /// Loads once, then decides purely, each command on the books that its predecessors leave.
  private func decide(_ entries: [QueueEntry]) async throws -> Round {
    var needs = LedgerNeeds()
    for entry in entries { needs.formUnion(entry.needs) }
    let context = DecisionContext(now: clock.now(), limits: limits)
    let loaded = try await store.load(needs, at: context.now)
    var ledger = loaded
    var changes: [LedgerChange] = []
    var replies: [@Sendable () -> Void] = []
    for entry in entries {
      let verdict = entry.decide(ledger, context)
      if let change = verdict.change {
        ledger.apply(change)
        changes.append(change)
      }
      replies.append(verdict.reply)
    }
    let batch = changes.isEmpty ? nil : LedgerBatch(changes, on: loaded, at: context.now)
    return Round(batch: batch, replies: replies)
  }

  private func write(_ round: Round) async throws -> CommitOutcome {
    guard let batch = round.batch else { return .committed }
    let outcome = try await store.commit(batch)
    guard case .unknown = outcome else { return outcome }
    do {
      // With time of its own: the round's may be what has run out.
      let settled = try await Deadline.$current.withValue(.after(bounds.settleTime)) { try await store.settle(batch) }
      switch settled {
      case .committed: return .committed
      case .notCommitted: return .lostRace
      }
    } catch {
      throw Failure(.serviceUnavailable, "the outcome is not known; send it again with the same request id")
    }
  }
}
