import NIOCore
import NIOPosix
import Synchronization

/// Listens for HTTP/2 without TLS (prior knowledge) and gives every connection an acceptor of its own.
public final class HTTP2Server: Sendable {
  private let host: String
  private let port: Int
  private let configuration: ConnectionConfiguration
  private let group: any EventLoopGroup
  private let ownGroup: MultiThreadedEventLoopGroup?
  private let makeAcceptor: @Sendable (HTTP2Connection) -> any StreamAcceptor
  private let connections = ServerConnections()
  private let listener = Mutex<Listener?>(nil)

  /// With `threads` the server has event loops of its own; nil shares the process's.
  public init(
    host: String, port: Int, threads: Int? = nil, configuration: ConnectionConfiguration = ConnectionConfiguration(),
    makeAcceptor: @escaping @Sendable (HTTP2Connection) -> any StreamAcceptor
  ) {
    self.host = host
    self.port = port
    self.configuration = configuration
    self.makeAcceptor = makeAcceptor
    ownGroup = threads.map { MultiThreadedEventLoopGroup(numberOfThreads: $0) }
    group = ownGroup ?? MultiThreadedEventLoopGroup.singleton
  }

  /// Throws `TransportFailure.bind`. Returns where the server can be reached.
  public func start() async throws -> (host: String, port: Int) {
    let (configuration, makeAcceptor, connections) = (configuration, makeAcceptor, connections)
    let bound = try await Listener.bind(host: host, port: port, on: group) { channel in
      channel.eventLoop.makeCompletedFuture {
        let connection = try HTTP2Connection(
          eventLoop: channel.eventLoop, configuration: configuration, makeAcceptor: makeAcceptor)
        try channel.pipeline.syncOperations.addHandler(connection)
        connections.add(connection)
      }
    }
    listener.withLock { $0 = bound }
    return (bound.host, bound.port)
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
