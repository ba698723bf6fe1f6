public import NIOCore
internal import NIOPosix
internal import NIOSSL

/// Opens connections to HTTP/2 servers, with TLS or without (prior knowledge).
public enum HTTP2Connector {
  /// Connects and starts HTTP/2. Give the connection an owner at once: until the peer's SETTINGS have arrived, which
  /// the owner is told, no stream can be opened.
  ///
  /// A name in `host` is resolved anew each time and its addresses are raced; `name` is what it was when `host` is a
  /// number that was looked up. With `tls` the server is known to be who it must
  /// be when this returns, and `timeout` covers the handshake too. Fails with `TransportFailure.connect`.
  public static func connect(
    host: String, port: Int, on eventLoop: any EventLoop, configuration: ConnectionConfiguration, timeout: TimeAmount,
    tls: ClientTLS? = nil, name: String? = nil
  ) -> EventLoopFuture<HTTP2Connection> {
    let began = NIODeadline.now()
    return ClientBootstrap(group: eventLoop)
      .channelOption(.tcpOption(.tcp_nodelay), value: 1)
      .channelOption(.recvAllocator, value: Listener.readBuffers)
      .channelOption(.writeBufferWaterMark, value: Listener.writeMarks)
      .connectTimeout(timeout)
      // Not after connecting: the peer may speak first, and what no handler reads is lost.
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let connection = try HTTP2Connection(eventLoop: channel.eventLoop, configuration: configuration)
          if let tls { try secure(channel, connection, tls, host: name ?? host, began: began, timeout: timeout) }
          try channel.pipeline.syncOperations.addHandler(connection)
        }
      }
      .connect(host: host, port: port)
      .flatMapThrowing { channel in
        do {
          return try channel.pipeline.syncOperations.handler(type: HTTP2Connection.self)
        } catch ChannelPipelineError.notFound {
          throw ClosedAtOnce()  // The pipeline of a channel that has closed is empty.
        }
      }
      .flatMap { connection in
        guard let securing = connection.securing else { return eventLoop.makeSucceededFuture(connection) }
        return securing.map { connection }
      }
      .flatMapErrorThrowing { error in
        throw TransportFailure.connect(host: host, port: port, reason: "\(error)")
      }
  }

  private struct ClosedAtOnce: Error, CustomStringConvertible {
    let description = "the server closed the connection at once"
  }

  /// Puts TLS and its gate in front of the connection.
  private static func secure(
    _ channel: any Channel, _ connection: HTTP2Connection, _ tls: ClientTLS, host: String, began: NIODeadline,
    timeout: TimeAmount
  ) throws {
    let snapshot = tls.credentials.snapshot
    let handler: NIOSSLClientHandler
    var expected: SPIFFEID?
    switch tls.server {
    case .identity(let identity):
      // The name is a hint for the server's choice of certificate and proves nothing.
      let hint = isAddress(host) ? nil : host
      handler = try NIOSSLClientHandler(context: snapshot.client, serverHostname: hint)
      expected = identity
    case .host(let name):
      handler = try NIOSSLClientHandler(
        context: snapshot.clientByHostName, serverHostname: isAddress(name) ? nil : name)
    }
    let promise = channel.eventLoop.makePromise(of: Void.self)
    connection.securing = promise.futureResult
    let gate = TLSGate(handler, tls.credentials, connection, expected: expected, began: began, timeout: timeout) {
      if let refusal = $0 { promise.fail(refusal) } else { promise.succeed() }
    }
    try channel.pipeline.syncOperations.addHandlers([handler, gate])
  }

  private static func isAddress(_ host: String) -> Bool {
    (try? SocketAddress(ipAddress: host, port: 0)) != nil
  }
}
