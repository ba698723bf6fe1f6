internal import NIOCore

/// Says when a channel's names are looked up: when somebody asks, but not too often, and again after a failure.
struct ResolutionSchedule {
  private let interval: Duration
  private let backoff: ConnectionBackoff
  private var isRunning = false
  private var succeededAt: NIODeadline?
  private var begunAt: NIODeadline?
  private var failures = 0

  /// `interval`: how long names that were found are believed, at least.
  init(interval: Duration, backoff: ConnectionBackoff) {
    self.interval = interval
    self.backoff = backoff
  }

  /// When to look up, perhaps now; nil if that is being done.
  mutating func wanted(now: NIODeadline, isPrompt: Bool = false) -> NIODeadline? {
    guard !isRunning else { return nil }
    if failures > 0 {
      guard isPrompt, let spacing = backoff.promptSpacing, let begunAt else { return nil }  // It will be, anyway.
      return max(begunAt + TimeAmount(spacing), now)
    }
    guard let succeededAt else { return now }
    return max(succeededAt + TimeAmount(interval), now)
  }

  mutating func began(now: NIODeadline) {
    isRunning = true
    begunAt = now
  }

  mutating func succeeded(now: NIODeadline) {
    isRunning = false
    succeededAt = now
    failures = 0
  }

  /// When to try again.
  mutating func failed(now: NIODeadline, spread: Double) -> NIODeadline {
    isRunning = false
    failures += 1
    return now + TimeAmount(backoff.pause(afterFailures: failures, spread: spread))
  }
}
