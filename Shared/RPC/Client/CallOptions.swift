/// When and how often a failed attempt is made again (DOMAIN 0.4).
public struct RetryPolicy: Hashable, Sendable {
  /// All attempts together, the first one included.
  public var attemptsMax: Int
  /// The pause after the first failure; it doubles with each further one, ± 20 %.
  public var pause: Duration

  public init(attemptsMax: Int, pause: Duration) {
    precondition(attemptsMax >= 1, "a call makes at least one attempt")
    self.attemptsMax = attemptsMax
    self.pause = pause
  }

  /// Three attempts, 100 ms and 200 ms apart.
  public static let standard = RetryPolicy(attemptsMax: 3, pause: .milliseconds(100))
  public static let none = RetryPolicy(attemptsMax: 1, pause: .zero)
}

/// How one call is made.
public struct CallOptions: Sendable {
  /// Added to what the channel's interceptors and the running call's scope send.
  public var metadata: Metadata
  /// How long the caller waits, all attempts included. Never longer than `Deadline.current`; nil leaves only that.
  public var deadline: Duration?
  /// How long one attempt of a call with one request and one answer may take; nil lets it use up the deadline, which
  /// is all that bounds other calls.
  public var attemptDeadline: Duration?
  public var retry: RetryPolicy
  /// True keeps the call waiting while the target cannot be reached, until the deadline, instead of failing it
  /// with the first refused connection.
  public var waitsForReady: Bool

  public init(
    metadata: Metadata = [:], deadline: Duration? = nil, attemptDeadline: Duration? = Limits.attemptDeadline,
    retry: RetryPolicy = .standard, waitsForReady: Bool = false
  ) {
    self.metadata = metadata
    self.deadline = deadline
    self.attemptDeadline = attemptDeadline
    self.retry = retry
    self.waitsForReady = waitsForReady
  }
}
