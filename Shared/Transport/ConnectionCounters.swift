internal import NIOCore
internal import NIOSSL

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// What happened on one connection. Plain numbers: only the connection's event loop changes them.
public struct ConnectionCounters: Hashable, Sendable {
  /// Streams of either side.
  public internal(set) var streamsStarted: Int64 = 0
  /// Ended by both sides.
  public internal(set) var streamsSucceeded: Int64 = 0
  /// Ended otherwise.
  public internal(set) var streamsFailed: Int64 = 0
  /// Whole messages, as the layer above counts them.
  public internal(set) var messagesSent: Int64 = 0
  public internal(set) var messagesReceived: Int64 = 0
  /// Pings that asked a silent peer for a sign of life.
  public internal(set) var keepalivesSent: Int64 = 0
  /// Wall-clock times in milliseconds since 1970; 0 means never.
  public internal(set) var lastStreamCreated: Int64 = 0
  public internal(set) var lastMessageSent: Int64 = 0
  public internal(set) var lastMessageReceived: Int64 = 0

  public init() {}

  mutating func streamBegan(at milliseconds: Int64) {
    streamsStarted &+= 1
    lastStreamCreated = milliseconds
  }

  mutating func streamEnded(_ reason: StreamClosure) {
    if reason == .finished { streamsSucceeded &+= 1 } else { streamsFailed &+= 1 }
  }
}

/// The wall clock as the kernel's last tick left it: some milliseconds old, a few nanoseconds to read. For telling
/// people when something happened, never for deciding anything.
public enum CoarseTime {
  /// Since 1970.
  public static var milliseconds: Int64 {
    var time = timespec()
    #if canImport(Glibc)
      clock_gettime(CLOCK_REALTIME_COARSE, &time)
    #else
      clock_gettime(CLOCK_REALTIME, &time)
    #endif
    return Int64(time.tv_sec) &* 1_000 &+ Int64(time.tv_nsec) / 1_000_000
  }
}

/// An end of a connection.
public struct ConnectionAddress: Hashable, Sendable {
  /// 4 or 16 bytes in network order.
  public let bytes: [UInt8]
  public let port: Int

  public init(bytes: [UInt8], port: Int) {
    self.bytes = bytes
    self.port = port
  }

  /// Nil for a host that is no IP address.
  public init?(host: String, port: Int) {
    self.init(try? SocketAddress(ipAddress: host, port: port))
  }

  /// Nil for what is no IP address.
  init?(_ address: SocketAddress?) {
    switch address {
    case .v4(let address):
      bytes = withUnsafeBytes(of: address.address.sin_addr) { Array($0) }
      port = Int(UInt16(bigEndian: address.address.sin_port))
    case .v6(let address):
      bytes = withUnsafeBytes(of: address.address.sin6_addr) { Array($0) }
      port = Int(UInt16(bigEndian: address.address.sin6_port))
    case .unixDomainSocket, nil: return nil
    }
  }
}

/// A connection as it was at one moment, for people who look at it.
public struct ConnectionSnapshot: Sendable {
  /// True at the end that accepted the connection.
  public let isServer: Bool
  public let counters: ConnectionCounters
  public let local: ConnectionAddress?
  public let remote: ConnectionAddress?
  /// Such as `TLSv1.3`; nil without TLS.
  public let tlsVersion: String?
  /// What the peer's certificate says, if it has one.
  public let peerIdentity: PeerIdentity?
  /// Streams that the peer takes at a time.
  public let peerConcurrentStreamsMax: Int
  /// Bytes that the peer may still send on this connection, and that may still be sent to it.
  public let localWindowBytes: Int
  public let remoteWindowBytes: Int
  /// Why the peer has sent GOAWAY, if it has.
  public let peerGoAway: UInt32?
}

extension HTTP2Connection {
  /// How the connection is now; nil once it has closed. Asks the connection's event loop.
  public func snapshot() async -> ConnectionSnapshot? {
    try? await executor.eventLoop.submit { self.current }.get()
  }

  private var current: ConnectionSnapshot? {
    guard let context else { return nil }
    return ConnectionSnapshot(
      isServer: isServer, counters: counters, local: ConnectionAddress(context.localAddress),
      remote: ConnectionAddress(context.remoteAddress), tlsVersion: tlsVersion(context),
      peerIdentity: remote.identity, peerConcurrentStreamsMax: engine.peerConcurrentStreamsMax,
      localWindowBytes: engine.localWindowBytes, remoteWindowBytes: engine.remoteWindowBytes,
      peerGoAway: peerGoAway?.rawValue)
  }

  private func tlsVersion(_ context: ChannelHandlerContext) -> String? {
    guard remote.isEncrypted else { return nil }
    let pipeline = context.pipeline.syncOperations
    let handler: NIOSSLHandler? =
      isServer
      ? try? pipeline.handler(type: NIOSSLServerHandler.self) : try? pipeline.handler(type: NIOSSLClientHandler.self)
    return switch handler?.tlsVersion {
    case .tlsv1: "TLSv1"
    case .tlsv11: "TLSv1.1"
    case .tlsv12: "TLSv1.2"
    case .tlsv13: "TLSv1.3"
    case nil: "TLS"
    }
  }
}

extension HTTP2Stream {
  /// To be called once per whole message, on the stream's event loop.
  public func countMessageSent() {
    home.counters.messagesSent &+= 1
    home.counters.lastMessageSent = home.coarseTime
  }

  public func countMessageReceived() {
    home.counters.messagesReceived &+= 1
    home.counters.lastMessageReceived = home.coarseTime
  }

  /// When the latest stream of the connection was created: this one, while it is being accepted.
  public var lastStreamCreated: Int64 { home.counters.lastStreamCreated }
}
