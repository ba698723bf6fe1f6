internal import NIOCore
internal import NIOPosix
internal import NIOSSL
internal import Synchronization

/// Listens for HTTP/2, with TLS or without (prior knowledge), and gives every connection an acceptor of its own.
public final class HTTP2Server: Sendable {
  private let host: String
  private let port: Int
  private let configuration: ConnectionConfiguration
  private let tls: ServerTLS?
  private let group: any EventLoopGroup
  private let ownGroup: MultiThreadedEventLoopGroup?
  private let makeAcceptor: @Sendable (HTTP2Connection) -> any StreamAcceptor
  private let connections = ServerConnections()
  private let quota: ConnectionQuota
  private let listener = Mutex<Listener?>(nil)

  /// With `threads` the server has event loops of its own; nil shares the process's.
  public init(
    host: String, port: Int, threads: Int? = nil, configuration: ConnectionConfiguration = ConnectionConfiguration(),
    tls: ServerTLS? = nil, makeAcceptor: @escaping @Sendable (HTTP2Connection) -> any StreamAcceptor
  ) {
    self.host = host
    self.port = port
    self.configuration = configuration
    self.tls = tls
    self.makeAcceptor = makeAcceptor
    quota = ConnectionQuota(
      max: configuration.connectionsMax, perAddressMax: configuration.connectionsPerAddressMax)
    ownGroup = threads.map { MultiThreadedEventLoopGroup(numberOfThreads: $0) }
    group = ownGroup ?? MultiThreadedEventLoopGroup.singleton
  }

  /// Throws `TransportFailure.bind`, and `TLSFailure` for TLS without a certificate. Returns where the server can be
  /// reached.
  public func start() async throws -> (host: String, port: Int) {
    if let tls, tls.credentials.snapshot.server == nil {
      throw TLSFailure(.certificate, "a server needs a certificate")
    }
    let (configuration, makeAcceptor, connections) = (configuration, makeAcceptor, connections)
    let (tls, quota) = (tls, quota)
    let bound = try await Listener.bind(host: host, port: port, on: group) { channel in
      channel.eventLoop.makeCompletedFuture {
        guard quota.admit(channel) else { throw TransportFailure.tooManyConnections }
        let connection = try HTTP2Connection(
          eventLoop: channel.eventLoop, configuration: configuration, makeAcceptor: makeAcceptor)
        if let tls { try Self.secure(channel, connection, tls, timeout: configuration.handshakeTimeout) }
        try channel.pipeline.syncOperations.addHandler(connection)
        connections.add(connection)
      }
    }
    listener.withLock { $0 = bound }
    return (bound.host, bound.port)
  }

  /// Puts TLS and its gate in front of the connection.
  private static func secure(
    _ channel: any Channel, _ connection: HTTP2Connection, _ tls: ServerTLS, timeout: TimeAmount
  ) throws {
    guard let context = tls.credentials.snapshot.server else {
      throw TLSFailure(.certificate, "a server needs a certificate")
    }
    let handler = NIOSSLServerHandler(context: context)
    let gate = TLSGate(handler, tls.credentials, connection, timeout: timeout) { [weak channel] refusal in
      // Who only looked whether the port is open is no news.
      guard let refusal, refusal != .closed else { return }
      tls.refused(channel?.remoteAddress.map(HTTP2Connection.text) ?? "", refusal.description)
    }
    try channel.pipeline.syncOperations.addHandlers([handler, gate])
  }

  /// Accepts nothing further, lets the peers finish for `limit` at most, and closes everything.
  public func shutdownGracefully(within limit: Duration) async {
    let bound = listener.withLock { listener in
      defer { listener = nil }
      return listener
    }
    await bound?.close()
    await connections.drain(within: limit)
    try? await ownGroup?.shutdownGracefully()  // Its loops have nothing left to fail with.
  }
}
