/// How long the turns of an event loop take. In one turn it reads what has come on all its connections, and handlers
/// that do not wait run meanwhile; what has come since is read in the next turn. So whatever is read in a turn has
/// been there since its beginning at the least.
struct LoopTurns {
  private var began: ContinuousClock.Instant?
  /// Since when every turn has been a long one.
  private var behindSince: ContinuousClock.Instant?

  /// Notes that something is read; true for the first time in a turn, whose end must then be told.
  mutating func begin(_ now: ContinuousClock.Instant) -> Bool {
    guard began == nil else { return false }
    began = now
    return true
  }

  mutating func end(_ now: ContinuousClock.Instant) {
    guard let began else { return }
    self.began = nil
    if began.duration(to: now) < LoopTurns.long {
      behindSince = nil
    } else if behindSince == nil {
      behindSince = began
    }
    isBehind = behindSince != nil
  }

  /// False as long as `lag` is zero whatever the time. Kept, because looking at an instant that may be absent is slow.
  private(set) var isBehind = false

  /// For how long the present turn has been going on, if the loop has been behind for a while; else zero. A single
  /// long turn, as busy machines have them, is none.
  func lag(_ now: ContinuousClock.Instant) -> Duration {
    guard let behindSince, let began else { return .zero }
    return behindSince.duration(to: now) < LoopTurns.lasting ? .zero : began.duration(to: now)
  }

  /// Calls that are read in such a turn are noticeably late.
  static let long = Duration.milliseconds(50)
  /// A loop that is behind for so long does not catch up by itself, nor is it just the machine that is busy.
  static let lasting = Duration.seconds(2)
}
