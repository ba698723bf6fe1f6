/// The monotonic instant after which nobody waits for the answer any more.
///
/// Bound as a task-local by whoever starts the work (the RPC server, a sweep); every remote call and every database
/// command made by that task reads it, so nobody works longer than the caller waits.
public struct Deadline: Hashable, Comparable, Sendable {
  @TaskLocal public static var current: Deadline?

  /// Since an instant of this process, because a `Duration` has a size that is known here and an instant has not:
  /// whether a call has a deadline is asked several times per call.
  private let time: Duration

  public var instant: ContinuousClock.Instant { Deadline.origin.advanced(by: time) }

  private static let origin = ContinuousClock.now

  public init(_ instant: ContinuousClock.Instant) {
    time = Deadline.origin.duration(to: instant)
  }

  public static func after(_ duration: Duration) -> Deadline {
    Deadline(ContinuousClock.now.advanced(by: duration))
  }

  /// The sooner of the task's deadline and `duration` from now.
  public static func soonest(of duration: Duration) -> Deadline {
    let own = Deadline.after(duration)
    guard let current, current < own else { return own }
    return current
  }

  /// Zero or negative once it has passed.
  public var remaining: Duration { ContinuousClock.now.duration(to: instant) }

  public var hasPassed: Bool { instant <= ContinuousClock.now }

  public static func < (left: Deadline, right: Deadline) -> Bool { left.time < right.time }
}
