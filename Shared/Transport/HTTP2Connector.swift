public import NIOCore
import NIOPosix

/// Opens connections to HTTP/2 servers, without TLS (prior knowledge).
public enum HTTP2Connector {
  /// Connects and starts HTTP/2. Give the connection an owner at once: until the peer's SETTINGS have arrived, which
  /// the owner is told, no stream can be opened.
  ///
  /// A name is resolved anew each time and its addresses are raced. Fails with `TransportFailure.connect`.
  public static func connect(
    host: String, port: Int, on eventLoop: any EventLoop, configuration: ConnectionConfiguration, timeout: TimeAmount
  ) -> EventLoopFuture<HTTP2Connection> {
    ClientBootstrap(group: eventLoop)
      .channelOption(.tcpOption(.tcp_nodelay), value: 1)
      .channelOption(.recvAllocator, value: Listener.readBuffers)
      .channelOption(.writeBufferWaterMark, value: Listener.writeMarks)
      .connectTimeout(timeout)
      // Not after connecting: the peer may speak first, and what no handler reads is lost.
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let connection = try HTTP2Connection(eventLoop: channel.eventLoop, configuration: configuration)
          try channel.pipeline.syncOperations.addHandler(connection)
        }
      }
      .connect(host: host, port: port)
      .flatMapThrowing { try $0.pipeline.syncOperations.handler(type: HTTP2Connection.self) }
      .flatMapErrorThrowing { error in
        throw TransportFailure.connect(host: host, port: port, reason: "\(error)")
      }
  }
}
