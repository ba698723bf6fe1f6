import Kernel
import Synchronization

/// Business time that stands still until a test moves it.
public final class ManualClock: WallClock {
  private let time: Mutex<Timestamp>

  /// Begins on 2026-01-01T00:00:00Z unless told otherwise.
  public init(_ start: Timestamp = Timestamp(milliseconds: 1_767_225_600_000)) {
    time = Mutex(start)
  }

  public func now() -> Timestamp { time.withLock { $0 } }

  /// May go backwards, like real clocks.
  public func advance(by span: Duration) {
    time.withLock { $0 = $0.advanced(by: span) }
  }

  public func set(_ now: Timestamp) {
    time.withLock { $0 = now }
  }
}
