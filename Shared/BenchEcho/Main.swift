import ArgumentParser
import Introspection
import Logging
import Messages
import RPC
import Signals
import Stubs
import Telemetry

/// The RPC runtime with nothing behind it: what conformance tests and benchmarks of the runtime call.
@main
struct BenchEcho: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench-echo", abstract: "Answers bench.v1.Echo on 127.0.0.1, without TLS.")

  @Option(help: "The port to listen on; 0 takes a free one.")
  var port = 50_090

  @Option(help: "How many event loops serve.")
  var threads = 1

  @Option(help: "How long each call works, in microseconds; 0 answers at once.")
  var workUs = 0

  @Option(help: "How long each call computes without ever waiting, in microseconds.")
  var spinUs = 0

  @Option(help: "How many calls can work at a time; the others wait for them. 0 is without a bound.")
  var places = 0

  @Option(help: "How often a client may ask for a sign of life, in milliseconds.")
  var pingIntervalMs = 300_000

  @Option(help: "Below which the limit of running calls of a method never falls.")
  var limitMin = AdmissionConfiguration().limitMin

  @Option(help: "What the limits of running calls of all methods come to at most.")
  var limitMax = AdmissionConfiguration().limitMax

  func validate() throws {
    guard (0...65_535).contains(port) else { throw ValidationError("--port must be from 0 to 65535") }
    guard (1...1_024).contains(threads) else { throw ValidationError("--threads must be from 1 to 1024") }
    guard (0...60_000_000).contains(workUs) else { throw ValidationError("--work-us must be from 0 to 60000000") }
    guard (0...60_000_000).contains(spinUs) else { throw ValidationError("--spin-us must be from 0 to 60000000") }
    guard (0...100_000).contains(places) else { throw ValidationError("--places must be from 0 to 100000") }
    guard (0...86_400_000).contains(pingIntervalMs) else {
      throw ValidationError("--ping-interval-ms must be from 0 to 86400000")
    }
    guard limitMin >= 1, limitMax >= limitMin, limitMax <= 1_000_000 else {
      throw ValidationError("--limit-min and --limit-max must be from 1 to 1000000, and the first not above the second")
    }
  }

  func run() async throws {
    let signals = TerminationSignals()
    LoggingSystem.bootstrap(StreamLogHandler.standardError)
    var logger = Logger(label: "bench-echo")
    logger.logLevel = .warning
    let echo = Echo(work: Work(places: places, stay: .microseconds(workUs), spin: .microseconds(spinUs)))
    let own: [any ServiceBinding] = [EchoBinding(echo), EchoInternalServiceBinding(echo)]
    var configuration = RPCServerConfiguration(host: "127.0.0.1", port: port, threads: threads)
    configuration.channelz = Channelz()
    configuration.connections.pingIntervalMin = .milliseconds(pingIntervalMs)
    let services = IntrospectionServices.all(beside: own, channelz: configuration.channelz)
    let admission = AdmissionControl(
      services: services, configuration: AdmissionConfiguration(limitMin: limitMin, limitMax: limitMax),
      logger: logger)
    let server = RPCServer(
      configuration, interceptors: [admission, CallLog(logger: logger)], services: services, logger: logger)
    let (host, port) = try await server.start()
    let line = #"{"level":"info","message":"listening","service":"bench-echo","grpc":"\#(host):\#(port)"}"# + "\n"
    StandardErrorSink().write(Array(line.utf8))
    await signals.first()
    await server.shutdownGracefully(within: .seconds(10))
  }
}

struct Echo: EchoHandlers, EchoInternalServiceHandlers {
  let work: Work

  func unary(_ request: BenchV1.Payload, _ context: CallContext) async throws -> BenchV1.Payload {
    if work.isNeeded { try await work.run() }
    return request
  }

  func read(_ request: BenchV1.Payload, _ context: CallContext) async throws -> BenchV1.Payload {
    try await unary(request, context)
  }
}
