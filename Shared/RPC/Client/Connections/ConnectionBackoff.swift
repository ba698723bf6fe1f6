/// The pauses between attempts to reach an address that cannot be reached (gRPC's connection backoff).
public struct ConnectionBackoff: Hashable, Sendable {
  public var initial: Duration
  public var multiplier: Double
  public var max: Duration
  /// The share by which a pause may be longer or shorter, so that clients of a restarted server spread out.
  public var jitter: Double
  /// Not nil: a call that does not wait for readiness has the target tried at once, but not more often than this.
  /// Nil, as gRPC has it: such a call fails while the pause lasts, even though the server may be back.
  public var promptSpacing: Duration?

  public init(
    initial: Duration, multiplier: Double, max: Duration, jitter: Double, promptSpacing: Duration? = nil
  ) {
    self.initial = initial
    self.multiplier = multiplier
    self.max = max
    self.jitter = jitter
    self.promptSpacing = promptSpacing
  }

  /// What every gRPC client does.
  public static let standard = ConnectionBackoff(initial: .seconds(1), multiplier: 1.6, max: .seconds(120), jitter: 0.2)

  /// For a few clients that know each other's restarts: a call finds out at once that the server is back.
  public static let prompt = ConnectionBackoff(
    initial: .seconds(1), multiplier: 1.6, max: .seconds(120), jitter: 0.2, promptSpacing: .milliseconds(50))

  /// The pause after so many failures in a row, counted from the beginning of the last attempt; `spread` is from -1
  /// to 1.
  func pause(afterFailures failures: Int, spread: Double) -> Duration {
    var pause = initial
    for _ in 1..<Swift.max(failures, 1) where pause < max { pause = pause * multiplier }
    return Swift.min(pause, max) * (1 + jitter * spread)
  }
}
