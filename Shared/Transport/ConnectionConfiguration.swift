public import HTTP2
public import NIOCore

/// How one HTTP/2 connection behaves, beside what its engine grants.
///
/// Times are kept to within `watchPeriod`.
public struct ConnectionConfiguration: Sendable {
  public var http2: HTTP2Settings
  /// How long the peer may take from being connected to having sent its preface and SETTINGS, TLS included.
  public var handshakeTimeout: TimeAmount
  /// How long one block of header fields may take from its first byte to its last (server).
  public var headerBlockTimeout = TimeAmount.seconds(10)
  /// How long a connection without streams is kept; nil keeps it.
  public var idleTimeout: TimeAmount?
  /// How long written bytes may wait for a peer that does not read, and what is queued on a server's stream for one
  /// that opens no window. The first costs the peer its connection, the second the stream.
  public var writeStallTimeout: TimeAmount
  /// Answers waiting to be sent, on all streams. While it is exceeded no further stream is accepted and writers wait;
  /// an answer that does not fit into twice as much costs its stream (server).
  public var queuedBytesMax: Int
  /// What streams that nobody reads may hold without holding up the others, beside the connection's window. When it is
  /// exceeded they do, and whoever has read nothing for `writeStallTimeout` loses its stream. 0 lets the connection
  /// feel it at once.
  public var unreadBytesMax = 0
  /// Whether and how a silent peer is asked for a sign of life; nil never asks.
  public var keepalive: KeepaliveConfiguration?
  /// How often a client may ask for one; nil lets it ask as often as the engine bears (server).
  public var pingPolicy: PingPolicy?
  /// How long a connection is used before its peer is told to open another, give or take `ageJitter`; nil for ever
  /// (server). With it, clients of a name come to know its new addresses.
  public var connectionAgeMax: TimeAmount?
  /// How long the calls of a connection that has become too old may go on; nil for ever.
  public var connectionAgeGrace: TimeAmount?
  /// Connections of one server at a time. Further ones are closed at once, so that the process keeps file descriptors
  /// for its own work.
  public var connectionsMax = 50_000
  /// Connections from one address (of IPv6: one /64 network) at a time; nil sets no limit. Behind a proxy every
  /// client has the proxy's address.
  public var connectionsPerAddressMax: Int?

  public init(
    http2: HTTP2Settings = HTTP2Settings(), handshakeTimeout: TimeAmount = .seconds(10),
    idleTimeout: TimeAmount? = .minutes(5), writeStallTimeout: TimeAmount = .seconds(30),
    queuedBytesMax: Int = 64 << 20
  ) {
    self.http2 = http2
    self.handshakeTimeout = handshakeTimeout
    self.idleTimeout = idleTimeout
    self.writeStallTimeout = writeStallTimeout
    self.queuedBytesMax = queuedBytesMax
  }

  /// One write takes at most this much, so that a fast peer of one large answer does not starve the loop.
  static let writeBytesMax = 256 << 10

  /// Rounds of "write, look what that caused" before other connections get their turn.
  static let flushRoundsMax = 16

  /// How long a peer that has been sent everything may take to close its end. What waits in the socket after that is
  /// the kernel's affair.
  static let lingerTime = TimeAmount.seconds(5)

  /// How often what no event announces is looked at: one timer for all connections of an event loop.
  static let watchPeriod = TimeAmount.seconds(1)

  /// The reporting period of the engine's counts of odd frames.
  static let oddFramesPeriod = TimeAmount.seconds(5)

  /// The share by which a connection's greatest age differs, so that clients who came together do not leave together.
  static let ageJitter = 0.1
}

/// How a silent peer is asked for a sign of life (gRPC "keepalive"): by PING, after a time without a byte from it.
public struct KeepaliveConfiguration: Hashable, Sendable {
  /// The silence before it is asked.
  public var time: TimeAmount
  /// How long it may take to send anything after that, before the connection is given up.
  public var timeout: TimeAmount
  /// Ask on a connection without streams too.
  public var permitsWithoutCalls: Bool

  public init(time: TimeAmount, timeout: TimeAmount = .seconds(20), permitsWithoutCalls: Bool = false) {
    self.time = time
    self.timeout = timeout
    self.permitsWithoutCalls = permitsWithoutCalls
  }
}

/// How often a client may send PING before it is sent away with ENHANCE_YOUR_CALM, "too_many_pings".
///
/// A ping after an answer has gone out is never too early: clients measure the bandwidth that way.
public struct PingPolicy: Hashable, Sendable {
  /// Pings that follow each other sooner are strikes.
  public var intervalMin: TimeAmount
  /// Whether the interval also applies to connections without streams, or a far longer one.
  public var permitsWithoutCalls: Bool
  /// Strikes that are borne.
  public var strikesMax: Int

  public init(intervalMin: TimeAmount = .minutes(5), permitsWithoutCalls: Bool = false, strikesMax: Int = 2) {
    self.intervalMin = intervalMin
    self.permitsWithoutCalls = permitsWithoutCalls
    self.strikesMax = strikesMax
  }

  /// For connections without streams, where pings are not permitted.
  static let intervalWithoutCalls = TimeAmount.hours(2)
}
