public import NIOCore
import NIOPosix

/// Opens connections to HTTP/2 servers, without TLS (prior knowledge).
public enum HTTP2Connector {
  /// Connects and starts HTTP/2; the owner hears of the peer's SETTINGS, which make the connection usable.
  ///
  /// A name is resolved anew each time and its addresses are raced. Fails with `TransportFailure.connect`.
  public static func connect(
    host: String, port: Int, on eventLoop: any EventLoop, configuration: ConnectionConfiguration,
    timeout: TimeAmount, owner: any ConnectionOwner & Sendable
  ) -> EventLoopFuture<HTTP2Connection> {
    ClientBootstrap(group: eventLoop)
      .channelOption(.tcpOption(.tcp_nodelay), value: 1)
      .channelOption(.recvAllocator, value: Listener.readBuffers)
      .channelOption(.writeBufferWaterMark, value: Listener.writeMarks)
      .connectTimeout(timeout)
      .connect(host: host, port: port)
      .flatMapThrowing { channel in
        let connection = try HTTP2Connection(eventLoop: channel.eventLoop, configuration: configuration)
        connection.owner = owner
        try channel.pipeline.syncOperations.addHandler(connection)
        return connection
      }
      .flatMapErrorThrowing { error in
        throw TransportFailure.connect(host: host, port: port, reason: "\(error)")
      }
  }
}
