#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// An instant of business time: UTC, in milliseconds since 1970 (DOMAIN 0.1).
public struct Timestamp: Hashable, Comparable, Sendable {
  public let milliseconds: Int64

  public init(milliseconds: Int64) {
    self.milliseconds = milliseconds
  }

  /// Saturates instead of overflowing.
  public func advanced(by duration: Duration) -> Timestamp {
    let (seconds, attoseconds) = duration.components
    let (whole, overflowed) = seconds.multipliedReportingOverflow(by: 1_000)
    guard !overflowed else { return Timestamp(milliseconds: seconds > 0 ? .max : .min) }
    let (sum, carried) = milliseconds.addingReportingOverflow(whole + attoseconds / 1_000_000_000_000_000)
    return Timestamp(milliseconds: carried ? (whole > 0 ? .max : .min) : sum)
  }

  /// Later minus earlier, in milliseconds.
  public func duration(since earlier: Timestamp) -> Duration {
    .milliseconds(milliseconds - earlier.milliseconds)
  }

  public static func < (left: Timestamp, right: Timestamp) -> Bool { left.milliseconds < right.milliseconds }
}

/// Business time. Read once per call, so that every step of a call decides at the same instant.
///
/// Never used for time-outs, which belong to the monotonic clock, nor for leases, which belong to the database's.
public protocol WallClock: Sendable {
  func now() -> Timestamp
}

/// The machine's realtime clock (clock_gettime(2), CLOCK_REALTIME).
public struct SystemClock: WallClock {
  public init() {}

  public func now() -> Timestamp {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Timestamp(milliseconds: Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000)
  }
}
