public import HTTP2
public import NIOCore

/// How one HTTP/2 connection behaves, beside what its engine grants.
public struct ConnectionConfiguration: Sendable {
  public var http2: HTTP2Settings
  /// How long the peer may take to send its preface and SETTINGS.
  public var handshakeTimeout: TimeAmount
  /// How long a connection without streams is kept; nil keeps it.
  public var idleTimeout: TimeAmount?
  /// How long written bytes may wait for a peer that does not read.
  public var writeStallTimeout: TimeAmount
  /// Answers waiting to be sent, on all streams. While it is exceeded no further stream is accepted.
  public var queuedBytesMax: Int

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

  /// How often idle time, stalled writes and odd frames are looked at.
  static let watchPeriod = TimeAmount.seconds(5)
}
