/// How one call is made.
public struct CallOptions: Sendable {
  /// Added to what the channel's interceptors and the running call's scope send.
  public var metadata: Metadata
  /// How long the caller waits, all attempts included. Never longer than `Deadline.current`; nil leaves only that.
  public var deadline: Duration?
  /// How long one attempt of a call with one request and one answer may take; nil lets it use up the deadline, which
  /// is all that bounds other calls. The default gives way to a time-out of the channel's service config.
  public var attemptDeadline: Duration?
  /// `.standard` gives way to what the channel's service config says about the method.
  public var retry: RetryPolicy
  /// Sends the call again while it is under way: for methods that change nothing and have one request, and instead of
  /// `retry`. Nil leaves that to the channel's service config.
  public var hedging: HedgingPolicy?
  /// True keeps the call waiting while the target cannot be reached, until the deadline, instead of failing it
  /// with the first refused connection. Nil means false, unless the channel's service config says otherwise.
  public var waitsForReady: Bool?
  /// How the requests are compressed, those excepted that say otherwise; nil sends them as they are. Answers are
  /// read whatever their encoding.
  public var compression: MessageEncoding?

  public init(
    metadata: Metadata = [:], deadline: Duration? = nil, attemptDeadline: Duration? = Limits.attemptDeadline,
    retry: RetryPolicy = .standard, hedging: HedgingPolicy? = nil, waitsForReady: Bool? = nil,
    compression: MessageEncoding? = nil
  ) {
    self.metadata = metadata
    self.deadline = deadline
    self.attemptDeadline = attemptDeadline
    self.retry = retry
    self.hedging = hedging
    self.waitsForReady = waitsForReady
    self.compression = compression
  }
}
