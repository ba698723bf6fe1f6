internal import NIOCore
public import Transport

/// How a channel connects and what it takes from servers.
public struct RPCChannelConfiguration: Sendable {
  /// Nil connects without TLS (prior knowledge).
  public var tls: ClientTLS?
  /// The largest answer in bytes. Larger ones are refused from their length prefix.
  public var messageBytesMax: Int
  public var sentMessageBytesMax: Int
  /// How long a connection may take to be ready, the server's SETTINGS included; longer if the pause that would
  /// follow is longer. gRPC's minimum is 20 s.
  public var connectTimeout: Duration
  public var backoff: ConnectionBackoff
  /// How long a call may take that neither has a deadline itself nor runs under one.
  public var defaultDeadline: Duration?
  /// Used unless `serviceConfig` names a policy.
  public var loadBalancing = LoadBalancing.pickFirst
  /// Rules for the target's methods; they go before the defaults of this configuration and of calls.
  public var serviceConfig: ServiceConfig?
  /// Used unless `serviceConfig` has one; nil retries without a budget.
  public var retryThrottling: RetryThrottling? = .standard
  /// Connections to one address. A further one is opened when all streams of the others are taken; calls wait in the
  /// channel's queue when none may be.
  public var connectionsPerAddressMax = 1
  /// True gives every event loop of the process connections of its own, and calls made on a loop those of that loop:
  /// they never change threads. For channels with many calls; outliers and retries are counted per loop.
  public var usesAllEventLoops = false
  /// Calls that wait for a connection or a free stream, and what they may hold in bytes.
  public var queuedCallsMax = Limits.queuedCallsMax
  public var queuedBytesMax = Limits.queuedBytesMax
  /// What calls of one connection whose answers nobody reads may hold without holding up the others. Beyond it they do,
  /// until a call from whose answers nothing was read for 30 seconds is ended with RESOURCE_EXHAUSTED.
  public var unreadBytesMax = Limits.unreadBytesMax
  /// How long the server may be silent before it is asked for a sign of life; nil never asks. Servers send clients
  /// away that ask more often than they like; such a channel then asks half as often.
  public var keepaliveTime: Duration?
  /// How long the server may take to give one.
  public var keepaliveTimeout = Duration.seconds(20)
  /// Whether it is asked while no call is under way, too.
  public var permitsKeepaliveWithoutCalls = false
  /// A channel without calls for this long, or up to twice as long, closes its connections; nil keeps them.
  public var idleTimeout: Duration? = .seconds(30 * 60)
  /// Names that were found are looked up again at most this often, when connections break.
  public var resolutionInterval = Duration.seconds(30)
  /// How long `pick_first` waits for one address before it tries the next one beside it (RFC 8305).
  public var connectionAttemptDelay = Duration.milliseconds(250)
  /// Where the channel shows itself; nil hides it.
  public var channelz: Channelz?

  public init(
    tls: ClientTLS? = nil, messageBytesMax: Int = Limits.messageBytesMax,
    sentMessageBytesMax: Int = Limits.sentMessageBytesMax,
    connectTimeout: Duration = .seconds(20), backoff: ConnectionBackoff = .standard,
    defaultDeadline: Duration? = nil
  ) {
    self.tls = tls
    self.messageBytesMax = messageBytesMax
    self.sentMessageBytesMax = sentMessageBytesMax
    self.connectTimeout = connectTimeout
    self.backoff = backoff
    self.defaultDeadline = defaultDeadline
  }

  /// What a connection is told of this.
  var connectionConfiguration: ConnectionConfiguration {
    var configuration = ConnectionConfiguration(idleTimeout: nil)
    configuration.unreadBytesMax = unreadBytesMax
    configuration.keepalive = keepaliveTime.map {
      KeepaliveConfiguration(
        time: TimeAmount($0), timeout: TimeAmount(keepaliveTimeout), permitsWithoutCalls: permitsKeepaliveWithoutCalls)
    }
    return configuration
  }
}
