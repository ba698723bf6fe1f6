import CampaignDomain
import Kernel
import Synchronization

/// Lets the slot changes of one campaign take turns within this process.
///
/// Every change writes the campaign's document, so two transactions at once mean a write conflict for one of them,
/// and the many callers of a popular campaign would use up their attempts on each other. In line they wait a few
/// milliseconds instead. This is for speed only: between processes the database decides.
final class CampaignTurns: Sendable {
  /// Waiters per campaign. At 3 ms a turn the last of them waits 3 s, which is still inside a caller's 5 s.
  static let waitersMax = 1_000

  private struct Waiter {
    let ticket: UInt64
    let continuation: CheckedContinuation<Void, any Error>
  }

  private struct Lines {
    /// A campaign has an entry while somebody has the turn.
    var waiters: [CampaignID: [Waiter]] = [:]
    var lastTicket: UInt64 = 0
  }

  private enum Entry {
    case entered, waiting, cancelled, full
  }

  private let lines = Mutex(Lines())

  /// Runs `work` when it is this caller's turn. Fails with `SERVICE_UNAVAILABLE` when the line is full, and with
  /// `CancellationError` when the caller gives up while waiting.
  func run<Result: Sendable>(
    _ campaign: CampaignID, _ work: @Sendable () async throws -> Result
  ) async throws -> Result {
    try await enter(campaign)
    defer { leave(campaign) }
    return try await work()
  }

  private func enter(_ campaign: CampaignID) async throws {
    let ticket = lines.withLock { lines in
      lines.lastTicket += 1
      return lines.lastTicket
    }
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        switch join(campaign, Waiter(ticket: ticket, continuation: continuation)) {
        case .waiting: break
        case .entered: continuation.resume()
        case .cancelled: continuation.resume(throwing: CancellationError())
        case .full:
          continuation.resume(throwing: Failure(.serviceUnavailable, "too many orders wait for this campaign"))
        }
      }
    } onCancel: {
      removeWaiter(ticket, of: campaign)?.continuation.resume(throwing: CancellationError())
    }
  }

  private func join(_ campaign: CampaignID, _ waiter: Waiter) -> Entry {
    lines.withLock { lines in
      // Under the lock: a cancellation before this point found no waiter to remove, one after it will.
      if Task.isCancelled { return .cancelled }
      guard let waiting = lines.waiters[campaign] else {
        lines.waiters[campaign] = []
        return .entered
      }
      guard waiting.count < Self.waitersMax else { return .full }
      lines.waiters[campaign, default: []].append(waiter)
      return .waiting
    }
  }

  private func leave(_ campaign: CampaignID) {
    let next: Waiter? = lines.withLock { lines in
      guard let waiting = lines.waiters[campaign], !waiting.isEmpty else {
        lines.waiters[campaign] = nil
        return nil
      }
      return lines.waiters[campaign]?.removeFirst()
    }
    next?.continuation.resume()
  }

  private func removeWaiter(_ ticket: UInt64, of campaign: CampaignID) -> Waiter? {
    lines.withLock { lines in
      guard let index = lines.waiters[campaign]?.firstIndex(where: { $0.ticket == ticket }) else { return nil }
      return lines.waiters[campaign]?.remove(at: index)
    }
  }
}
