internal import NIOCore
internal import Transport

/// What a server grants the connections of its clients, beside the calls on them. The times are gRPC's own defaults
/// where gRPC has one.
public struct ServerConnectionLimits: Sendable {
  /// From accepting a connection to the client's SETTINGS, TLS included.
  public var handshakeTimeout = Duration.seconds(10)
  /// From the first byte of a block of header fields to its last.
  public var headerBlockTimeout = Duration.seconds(10)
  /// For a client to take something of what waits for it. The connection is lost when the client does not read, the
  /// call when it opens no window.
  public var writeStallTimeout = Duration.seconds(30)
  /// Answers waiting to be sent, per connection. While it is exceeded further calls are refused and streaming handlers
  /// wait; a call whose answer does not fit into twice as much is reset.
  public var queuedBytesMax = 64 << 20
  /// After so long without a byte from a client it is asked for a sign of life; nil never asks.
  public var keepaliveTime: Duration? = .seconds(2 * 3_600)
  /// How long it may take to give one.
  public var keepaliveTimeout = Duration.seconds(20)
  /// Pings of a client that follow each other sooner are strikes, unless it has been answered in between.
  public var pingIntervalMin = Duration.seconds(300)
  /// Whether a client without calls may ping as often as one with calls; else once in two hours.
  public var permitsPingsWithoutCalls = false
  /// Strikes that are borne before GOAWAY, ENHANCE_YOUR_CALM, "too_many_pings".
  public var pingStrikesMax = 2
  /// How long a connection is used, give or take a tenth, before its client is told to open another; nil for ever.
  /// With it, clients that balance over a name come to know its new addresses.
  public var ageMax: Duration?
  /// How long the calls of a connection that is too old may go on; nil for ever.
  public var ageGrace: Duration?
  public var connectionsMax = 50_000
  /// From one IPv4 address or one /64 network of IPv6; nil sets no limit. Behind a proxy all clients share its address.
  public var connectionsPerAddressMax: Int?

  public init() {}

  func apply(to configuration: inout ConnectionConfiguration) {
    configuration.handshakeTimeout = TimeAmount(handshakeTimeout)
    configuration.headerBlockTimeout = TimeAmount(headerBlockTimeout)
    configuration.writeStallTimeout = TimeAmount(writeStallTimeout)
    configuration.queuedBytesMax = queuedBytesMax
    configuration.keepalive = keepaliveTime.map {
      KeepaliveConfiguration(
        time: TimeAmount($0), timeout: TimeAmount(keepaliveTimeout), permitsWithoutCalls: true)
    }
    configuration.pingPolicy = PingPolicy(
      intervalMin: TimeAmount(pingIntervalMin), permitsWithoutCalls: permitsPingsWithoutCalls,
      strikesMax: pingStrikesMax)
    configuration.connectionAgeMax = ageMax.map { TimeAmount($0) }
    configuration.connectionAgeGrace = ageGrace.map { TimeAmount($0) }
    configuration.connectionsMax = connectionsMax
    configuration.connectionsPerAddressMax = connectionsPerAddressMax
  }
}
