public import Transport

/// How a channel connects and what it takes from servers.
public struct RPCChannelConfiguration: Sendable {
  /// Nil connects without TLS (prior knowledge).
  public var tls: ClientTLS?
  /// The largest answer in bytes. Larger ones are refused from their length prefix.
  public var messageBytesMax: Int
  public var sentMessageBytesMax: Int
  /// How long a connection may take to be ready, the server's SETTINGS included.
  public var connectTimeout: Duration
  public var backoff: ConnectionBackoff
  /// How long a call may take that neither has a deadline itself nor runs under one.
  public var defaultDeadline: Duration?

  public init(
    tls: ClientTLS? = nil, messageBytesMax: Int = Limits.messageBytesMax,
    sentMessageBytesMax: Int = Limits.sentMessageBytesMax,
    connectTimeout: Duration = .seconds(5), backoff: ConnectionBackoff = .standard,
    defaultDeadline: Duration? = nil
  ) {
    self.tls = tls
    self.messageBytesMax = messageBytesMax
    self.sentMessageBytesMax = sentMessageBytesMax
    self.connectTimeout = connectTimeout
    self.backoff = backoff
    self.defaultDeadline = defaultDeadline
  }
}

/// The pauses between attempts to reach a target that cannot be reached (gRPC's connection backoff).
public struct ConnectionBackoff: Hashable, Sendable {
  public var initial: Duration
  public var multiplier: Double
  public var max: Duration
  /// The share by which a pause may be longer or shorter, so that clients of a restarted server spread out.
  public var jitter: Double
  /// A call that does not wait for readiness has the target tried at once, but not more often than this.
  public var promptSpacing: Duration

  public init(
    initial: Duration, multiplier: Double, max: Duration, jitter: Double, promptSpacing: Duration
  ) {
    self.initial = initial
    self.multiplier = multiplier
    self.max = max
    self.jitter = jitter
    self.promptSpacing = promptSpacing
  }

  public static let standard = ConnectionBackoff(
    initial: .seconds(1), multiplier: 1.6, max: .seconds(120), jitter: 0.2, promptSpacing: .milliseconds(50))

  /// The pause after so many failures in a row, `spread` being from -1 to 1.
  func pause(afterFailures failures: Int, spread: Double) -> Duration {
    var pause = initial
    for _ in 1..<Swift.max(failures, 1) where pause < max { pause = pause * multiplier }
    return Swift.min(pause, max) * (1 + jitter * spread)
  }
}
