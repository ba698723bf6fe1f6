internal import HTTP2
public import Logging
internal import NIOCore
internal import Transport

/// Answers gRPC calls on a port.
public final class RPCServer: Sendable {
  private let server: HTTP2Server
  private let record: ServerRecord?

  /// The first interceptor is the outermost. Binding the same method twice is a mistake of the caller and traps.
  public init(
    _ configuration: RPCServerConfiguration, interceptors: [any ServerInterceptor] = [],
    services: [any ServiceBinding], logger: Logger
  ) {
    let core = ServerCore(
      configuration, router: Router(services), chain: CallChain(interceptors), logger: logger)
    var connection = ConnectionConfiguration()
    connection.http2.concurrentStreamsMax = configuration.concurrentStreamsMax
    connection.http2.headerListBytesMax = configuration.headerListBytesMax
    connection.http2.headerFieldsMax = configuration.headerFieldsMax
    connection.idleTimeout = TimeAmount(configuration.idleTimeout)
    configuration.connections.apply(to: &connection)
    let record = configuration.channelz?.addServer(configuration.host)
    self.record = record
    server = HTTP2Server(
      host: configuration.host, port: configuration.port, threads: configuration.threads, configuration: connection,
      tls: configuration.tls
    ) { ServerAcceptor(core: core, connection: $0, record: record) }
  }

  /// Starts to listen and returns where. Throws `TransportFailure.bind`, which names host and port.
  public func start() async throws -> (host: String, port: Int) {
    do {
      let address = try await server.start()
      record?.listens(host: address.host, port: address.port)
      return address
    } catch {
      record?.remove()
      throw error
    }
  }

  /// Accepts no further connection, tells peers to go elsewhere, lets the calls under way finish for `limit` at most,
  /// then cancels the rest and closes everything.
  public func shutdownGracefully(within limit: Duration) async {
    record?.trace.add("draining")
    await server.shutdownGracefully(within: limit)
    record?.remove()
  }
}
