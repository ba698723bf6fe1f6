/// When and how often a failed attempt is made again (DOMAIN 0.4; gRFC A6).
public struct RetryPolicy: Hashable, Sendable {
  /// All attempts together, the first one included.
  public var attemptsMax: Int
  /// The pause after the first failure; each further one is longer by `multiplier`, up to `pauseMax`. All ± 20 %.
  public var pause: Duration
  public var multiplier: Double
  public var pauseMax: Duration
  /// The statuses after which there is another attempt.
  public var retryableCodes: Set<StatusCode>

  public init(
    attemptsMax: Int, pause: Duration, multiplier: Double = 2, pauseMax: Duration = .seconds(60),
    retryableCodes: Set<StatusCode> = [.unavailable, .deadlineExceeded]
  ) {
    precondition(attemptsMax >= 1, "a call makes at least one attempt")
    self.attemptsMax = attemptsMax
    self.pause = pause
    self.multiplier = multiplier
    self.pauseMax = pauseMax
    self.retryableCodes = retryableCodes
  }

  /// Three attempts, 100 ms and 200 ms apart, after UNAVAILABLE and DEADLINE_EXCEEDED.
  public static let standard = RetryPolicy(attemptsMax: 3, pause: .milliseconds(100))
  public static let none = RetryPolicy(attemptsMax: 1, pause: .zero)

  /// The pause behind an attempt, counted from 1; `spread` is from -1 to 1.
  func pause(afterAttempt attempt: Int, spread: Double) -> Duration {
    var pause = pause
    for _ in 1..<max(attempt, 1) where pause < pauseMax { pause = pause * multiplier }
    return min(pause, pauseMax) * (1 + RetryPolicy.jitter * spread)
  }

  /// So that callers that failed together do not come back together.
  private static let jitter = 0.2
}

/// Sends a call again while its first attempt is still under way, and takes whichever answers first (gRFC A6).
///
/// For methods that change nothing and have one request: of others the runtime makes one attempt at a time, whatever
/// this says.
public struct HedgingPolicy: Hashable, Sendable {
  /// All attempts together.
  public var attemptsMax: Int
  /// How long after an attempt the next one starts; zero starts all at once.
  public var delay: Duration
  /// After one of these the next attempt starts at once; after any other failure the call fails.
  public var nonFatalCodes: Set<StatusCode>

  public init(attemptsMax: Int, delay: Duration, nonFatalCodes: Set<StatusCode> = [.unavailable]) {
    precondition(attemptsMax >= 2, "hedging means several attempts")
    self.attemptsMax = attemptsMax
    self.delay = delay
    self.nonFatalCodes = nonFatalCodes
  }
}
