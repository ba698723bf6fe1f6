import ArgumentParser
import Introspection
import Logging
import RPC
import Signals
import Stubs
import Telemetry
import Transport

/// The server of gRPC's interoperability tests, for clients of any language (PLATFORM 1.4).
@main
struct InteropServer: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "interop-server",
    abstract: "Answers grpc.testing.TestService on 127.0.0.1, with or without TLS.",
    discussion: "Says on standard error where it listens, as one JSON line; ends with 0 after SIGTERM or SIGINT.")

  @Option(help: "The port to listen on; 0 takes a free one.")
  var port = 0

  @Option(name: [.customLong("tls-cert-file")], help: "A PEM file with the server's certificate chain; turns TLS on.")
  var certificateFile: String?

  @Option(name: [.customLong("tls-key-file")], help: "A PEM file with the certificate's private key.")
  var keyFile: String?

  @Option(help: "How many streams a client may have open on a connection.")
  var maxConcurrentStreams = 1_000

  func validate() throws {
    guard (0...65_535).contains(port) else { throw ValidationError("--port must be from 0 to 65535") }
    guard (1...100_000).contains(maxConcurrentStreams) else {
      throw ValidationError("--max-concurrent-streams must be from 1 to 100000")
    }
    guard (certificateFile == nil) == (keyFile == nil) else {
      throw ValidationError("--tls-cert-file and --tls-key-file belong together")
    }
  }

  func run() async throws {
    let signals = TerminationSignals()
    LoggingSystem.bootstrap(StreamLogHandler.standardError)
    var logger = Logger(label: "interop-server")
    logger.logLevel = .warning
    var configuration = RPCServerConfiguration(
      host: "127.0.0.1", port: port, concurrentStreamsMax: maxConcurrentStreams)
    if let certificateFile, let keyFile {
      let files = TLSFiles(certificate: certificateFile, key: keyFile, authorities: nil)
      configuration.tls = ServerTLS(try TLSCredentials(files))
    }
    configuration.channelz = Channelz()
    let services = IntrospectionServices.all(
      beside: [TestServiceBinding(TestService())], channelz: configuration.channelz)
    let server = RPCServer(
      configuration, interceptors: [MetadataEcho(), CallLog(logger: logger)], services: services, logger: logger)
    let (host, port) = try await server.start()
    let line = #"{"level":"info","message":"listening","service":"interop-server","grpc":"\#(host):\#(port)"}"# + "\n"
    StandardErrorSink().write(Array(line.utf8))
    await signals.first()
    await server.shutdownGracefully(within: .seconds(5))
  }
}

/// Gives the two metadata entries back that the case `custom_metadata` sends.
struct MetadataEcho: ServerInterceptor {
  static let initial = "x-grpc-test-echo-initial"
  static let trailing = "x-grpc-test-echo-trailing-bin"

  func intercept(_ context: CallContext, next: (CallContext) async throws -> Void) async throws {
    if let value = context.metadata[MetadataEcho.initial] { context.headers.append(MetadataEcho.initial, value) }
    if let value = context.metadata[MetadataEcho.trailing] { context.trailers.append(MetadataEcho.trailing, value) }
    try await next(context)
  }
}
