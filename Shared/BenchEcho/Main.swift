import ArgumentParser
import Introspection
import Logging
import Messages
import RPC
import Stubs

/// The RPC runtime with nothing behind it: what conformance tests and benchmarks of the runtime call.
@main
struct BenchEcho: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench-echo", abstract: "Answers bench.v1.Echo on 127.0.0.1, without TLS.")

  @Option(help: "The port to listen on; 0 takes a free one.")
  var port = 50_090

  @Option(help: "How many event loops serve.")
  var threads = 1

  func validate() throws {
    guard (0...65_535).contains(port) else { throw ValidationError("--port must be from 0 to 65535") }
    guard (1...1_024).contains(threads) else { throw ValidationError("--threads must be from 1 to 1024") }
  }

  func run() async throws {
    LoggingSystem.bootstrap(StreamLogHandler.standardError)
    var logger = Logger(label: "bench-echo")
    logger.logLevel = .warning
    let own: [any ServiceBinding] = [EchoBinding(Echo())]
    let health = HealthStatuses()
    var configuration = RPCServerConfiguration(host: "127.0.0.1", port: port, threads: threads)
    configuration.channelz = Channelz()
    let services =
      own + IntrospectionServices.bindings(beside: own, health: health, channelz: configuration.channelz)
    health.update(
      Dictionary(([""] + services.map(\.serviceName)).map { ($0, .serving) }, uniquingKeysWith: { first, _ in first }))
    let server = RPCServer(
      configuration, interceptors: [CallLog(logger: logger)], services: services, logger: logger)
    let (host, port) = try await server.start()
    StandardError.write(#"{"level":"info","message":"listening","service":"bench-echo","grpc":"\#(host):\#(port)"}"#)
    await TerminationSignal.received()
    await server.shutdownGracefully(within: .seconds(10))
  }
}

struct Echo: EchoHandlers {
  func unary(_ request: BenchV1.Payload, _ context: CallContext) async throws -> BenchV1.Payload { request }
}
