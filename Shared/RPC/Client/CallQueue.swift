/// The attempts of a channel that wait for a connection or for a free stream, in order.
///
/// Bounded in calls and in bytes. An attempt that is over while it waits leaves a gap; gaps are closed when they are
/// more than half of the queue, so that each attempt costs the same however many wait.
struct CallQueue {
  private var attempts = FIFO<ClientAttempt>()
  private let callsMax: Int
  private let bytesMax: Int
  private(set) var count = 0
  private(set) var bytes = 0

  init(callsMax: Int, bytesMax: Int) {
    self.callsMax = callsMax
    self.bytesMax = bytesMax
  }

  var isEmpty: Bool { count == 0 }

  /// Why an attempt cannot wait here; nil if it does.
  mutating func append(_ attempt: ClientAttempt) -> String? {
    let size = attempt.call.keptBytes
    guard count < callsMax else { return "\(count) calls wait already" }
    // One call may always wait: what it may hold is its own limit's affair.
    guard count == 0 || bytes + size <= bytesMax else { return "calls of \(bytes) bytes wait already" }
    attempt.queuedBytes = size
    count += 1
    bytes += size
    attempts.append(attempt)
    return nil
  }

  /// The attempt that has waited longest.
  var first: ClientAttempt? {
    mutating get {
      while let attempt = attempts.first, attempt.queuedBytes == nil { _ = attempts.popFirst() }
      return attempts.first
    }
  }

  /// An attempt of the queue has been sent or is over.
  mutating func left(_ attempt: ClientAttempt) {
    guard let size = attempt.queuedBytes else { return }
    attempt.queuedBytes = nil
    count -= 1
    bytes -= size
    if attempts.count > 2 * count + CallQueue.gapsMax { _ = attempts.removeAll { $0.queuedBytes == nil } }
  }

  /// Takes out those that are like this.
  mutating func removeAll(where condition: (ClientAttempt) -> Bool) -> [ClientAttempt] {
    let removed = attempts.removeAll { $0.queuedBytes == nil || condition($0) }.filter { $0.queuedBytes != nil }
    for attempt in removed { left(attempt) }
    return removed
  }

  /// Gaps that cost nothing worth a walk through the queue.
  private static let gapsMax = 64
}
