import ArgumentParser
import Foundation
import Logging
import RPC
import Signals
import Stubs

/// Steady load on `bench.v1.Echo` through our own client. The load is open: a call starts when it is due, whether or
/// not earlier ones were answered, so that a server that stands still is seen in the latencies and not in the rate.
@main
struct BenchLoad: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench-load", abstract: "Calls bench.v1.Echo at a steady rate and counts what fails.",
    discussion: """
      Every second a line of JSON with the counts so far goes to the standard error, and at the end one with the \
      latencies to the standard output. Ends after --seconds, or with SIGTERM or SIGINT; calls under way are awaited.

      Exit codes: 0 no call failed, 1 some did, 64 usage.
      """)

  @Option(help: "Where to call: host:port, or several separated by commas.")
  var target: String

  @Option(help: "Which lane to call in: unary (normal), read (background) or internal (critical).")
  var method = Method.unary

  @Option(help: "How calls are spread over the addresses: \(Policy.allCases.map(\.rawValue).joined(separator: ", ")).")
  var policy = Policy.roundRobin

  @Option(help: "Calls per second.")
  var rate = 1_000

  @Option(help: "How long; 0 until a signal.")
  var seconds = 10

  @Option(help: "Bytes of data in a message.")
  var bytes = 16

  @Option(help: "How long a call may take, in milliseconds.")
  var deadline = 5_000

  @Option(help: "How often a failed call is tried again, the first attempt included. 1 shows every failure.")
  var attempts = 1

  @Option(help: "After how long a silent server is asked for a sign of life, in milliseconds; 0 never asks.")
  var keepaliveMs = 0

  @Option(help: "How long it may take to give one, in milliseconds.")
  var keepaliveTimeoutMs = 20_000

  @Option(help: "Calls at a time. What is due beyond them is counted as failed and not made.")
  var outstanding = 10_000

  func validate() throws {
    guard RPCTarget(target) != nil else { throw ValidationError("--target must be host:port[,host:port…]") }
    guard (1...1_000_000).contains(rate) else { throw ValidationError("--rate must be from 1 to 1000000") }
    guard (0...86_400).contains(seconds) else { throw ValidationError("--seconds must be from 0 to 86400") }
    guard (0...(4 << 20)).contains(bytes) else { throw ValidationError("--bytes must be from 0 to 4194304") }
    guard (1...600_000).contains(deadline) else { throw ValidationError("--deadline must be from 1 to 600000") }
    guard (1...10).contains(attempts) else { throw ValidationError("--attempts must be from 1 to 10") }
    guard (0...86_400_000).contains(keepaliveMs), (1...600_000).contains(keepaliveTimeoutMs) else {
      throw ValidationError("--keepalive-ms must be from 0 to 86400000, --keepalive-timeout-ms from 1 to 600000")
    }
    guard (1...100_000).contains(outstanding) else { throw ValidationError("--outstanding must be from 1 to 100000") }
  }

  func run() async throws {
    LoggingSystem.bootstrap(StreamLogHandler.standardError)
    var logger = Logger(label: "bench-load")
    logger.logLevel = .error
    var configuration = RPCChannelConfiguration()
    configuration.loadBalancing = policy.loadBalancing
    if keepaliveMs > 0 { configuration.keepaliveTime = .milliseconds(keepaliveMs) }
    configuration.keepaliveTimeout = .milliseconds(keepaliveTimeoutMs)
    let channel = RPCChannel(target: target, configuration: configuration, logger: logger)
    let load = try Load(
      channel: channel, method: method.descriptor, rate: rate, duration: seconds == 0 ? nil : .seconds(seconds),
      bytes: bytes,
      options: CallOptions(
        deadline: .milliseconds(deadline), attemptDeadline: nil,
        retry: attempts == 1 ? .none : RetryPolicy(attemptsMax: attempts, pause: .milliseconds(100))),
      outstandingMax: outstanding)
    TerminationSignals().onFirst { load.stop() }
    await load.run { print(line: $0, to: .standardError) }
    await channel.close()
    let tally = load.tally
    print(line: tally.json(latencies: true), to: .standardOutput)
    if tally.failed > 0 { throw ExitCode(1) }
  }
}

/// The methods of an echo server, which do the same and differ in how urgent they are.
enum Method: String, ExpressibleByArgument, CaseIterable {
  case unary
  case read
  case `internal`

  var descriptor: MethodDescriptor {
    switch self {
    case .unary: EchoMethods.unary
    case .read: EchoMethods.read
    case .internal: EchoInternalServiceMethods.unary
    }
  }
}

/// By the names that service configs use.
enum Policy: String, CaseIterable, ExpressibleByArgument {
  case pickFirst = "pick_first"
  case roundRobin = "round_robin"
  case leastRequest = "least_request"

  var loadBalancing: LoadBalancing {
    switch self {
    case .pickFirst: .pickFirst
    case .roundRobin: .roundRobin
    case .leastRequest: .leastRequest
    }
  }
}

/// One line, whole.
private func print(line: String, to file: FileHandle) {
  file.write(Data((line + "\n").utf8))
}
