import HTTP2
import Logging
import NIOCore
import NIOPosix
import Synchronization
import Transport

/// An HTTP server for whole requests and whole responses: HTTP/1.1, and HTTP/2 with prior knowledge, on one port.
///
/// One request at a time per HTTP/1.1 connection: what a client sends ahead waits unread, so a client that pipelines
/// cannot make the server buffer more than one read.
public final class HTTPServer: Sendable {
  private let configuration: HTTPServerConfiguration
  private let handler: any HTTPHandler
  private let logger: Logger
  private let connections: ConnectionRegistry
  private let quota: ConnectionQuota
  private let http2Connections = ServerConnections()
  private let listener = Mutex<Listener?>(nil)

  public init(configuration: HTTPServerConfiguration, handler: any HTTPHandler, logger: Logger) {
    self.configuration = configuration
    self.handler = handler
    self.logger = logger
    connections = ConnectionRegistry()
    quota = ConnectionQuota(
      max: configuration.connectionsMax, perAddressMax: configuration.connectionsPerAddressMax)
  }

  /// Binds the port and begins to answer. Returns the address really taken. Fails with `TransportFailure.bind`.
  public func start() async throws -> (host: String, port: Int) {
    let group = MultiThreadedEventLoopGroup.singleton
    let bound = try await Listener.bind(host: configuration.host, port: configuration.port, on: group) {
      [self] channel in
      channel.eventLoop.makeCompletedFuture { try self.prepare(channel) }
    }
    listener.withLock { $0 = bound }
    return (bound.host, bound.port)
  }

  /// Stops accepting, lets running requests finish, and closes what is left when the time is over.
  public func shutdownGracefully(within duration: Duration) async {
    let bound = listener.withLock { listener in
      defer { listener = nil }
      return listener
    }
    await bound?.close()
    async let http2: Void = http2Connections.drain(within: duration)
    await connections.drain(within: duration)
    await http2
  }

  private func prepare(_ channel: any Channel) throws {
    guard quota.admit(channel) else {
      logger.warning("too many HTTP connections", metadata: ["max": .stringConvertible(configuration.connectionsMax)])
      throw TransportFailure.tooManyConnections
    }
    guard connections.add(channel) else { throw TransportFailure.connectionClosed }
    let detector = ProtocolDetector(timeout: configuration.headTimeout) { [self] isHTTP2, channel in
      guard isHTTP2 else {
        return try HTTP1Connection.install(on: channel, configuration, handler, connections)
      }
      // A drain of HTTP/2 has its own frames, which this collection of connections sends.
      connections.release(channel)
      let connection = try HTTP2Connection(eventLoop: channel.eventLoop, configuration: http2Configuration) {
        [handler, configuration] _ in HTTP2Exchanges(handler: handler, configuration: configuration)
      }
      try channel.pipeline.syncOperations.addHandler(connection)
      http2Connections.add(connection)
    }
    try channel.pipeline.syncOperations.addHandler(detector)
  }

  private var http2Configuration: ConnectionConfiguration {
    var settings = HTTP2Settings()
    settings.concurrentStreamsMax = configuration.concurrentStreamsMax
    // A browser cancels what a page no longer wants, all of it at once.
    settings.peerResetsBurst = UInt64(clamping: 2 * configuration.concurrentStreamsMax)
    settings.peerResetsPerSecond = UInt64(clamping: configuration.concurrentStreamsMax)
    settings.headerListBytesMax = configuration.headerListBytesMax
    settings.headerFieldsMax = configuration.headerFieldsMax
    return ConnectionConfiguration(
      http2: settings, idleTimeout: TimeAmount(configuration.idleTimeout),
      writeStallTimeout: TimeAmount(configuration.writeTimeout))
  }
}
