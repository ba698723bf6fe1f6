import ArgumentParser
import Foundation
import Logging
import RPC
import Transport

/// The client of gRPC's interoperability tests, for servers of any language (PLATFORM 1.4).
@main
struct InteropClient: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "interop-client",
    abstract: "Runs cases of gRPC's interoperability tests against a server.",
    discussion: """
      Prints one line per case. Ends with 0 if all cases passed, with 1 if one failed.

      Cases: \(TestCase.allCases.map(\.rawValue).joined(separator: ", ")).
      """)

  @Option(name: .customLong("server_host"), help: "The server's host.")
  var serverHost = "127.0.0.1"

  @Option(name: .customLong("server_port"), help: "The server's port.")
  var serverPort: Int

  @Option(
    name: .customLong("test_case"), parsing: .upToNextOption,
    help: "The cases to run, in this order; 'all' runs every case that needs no misbehaving server.")
  var cases: [String] = ["all"]

  @Flag(name: .customLong("use_tls"), help: "Speak TLS.")
  var usesTLS = false

  @Option(name: .customLong("ca_file"), help: "With TLS: a PEM file with the authorities to trust.")
  var authoritiesFile: String?

  @Option(name: .customLong("server_host_override"), help: "With TLS: the name in the server's certificate.")
  var serverHostOverride: String?

  @Option(name: .customLong("soak_iterations"), help: "Calls of the soak cases.")
  var soakIterations = 10

  @Option(name: .customLong("case_timeout_s"), help: "Seconds that one case may take.")
  var caseTimeout = 30

  func validate() throws {
    guard (1...65_535).contains(serverPort) else { throw ValidationError("--server_port must be from 1 to 65535") }
    guard (1...1_000_000).contains(soakIterations) else {
      throw ValidationError("--soak_iterations must be from 1 to 1000000")
    }
    guard (1...3_600).contains(caseTimeout) else { throw ValidationError("--case_timeout_s must be from 1 to 3600") }
    _ = try wanted()
  }

  func run() async throws {
    LoggingSystem.bootstrap(StreamLogHandler.standardError)
    var logger = Logger(label: "interop-client")
    logger.logLevel = .warning
    var failed = 0
    let configuration = try channelConfiguration()
    for testCase in try wanted() {
      let peer = Peer(
        target: "\(serverHost):\(serverPort)", configuration: configuration, soakIterations: soakIterations,
        logger: logger)
      do {
        try await limited { try await testCase.run(peer) }
        print("PASS \(testCase.rawValue)")
      } catch {
        failed += 1
        print("FAIL \(testCase.rawValue): \(error)")
      }
      await peer.channel.close()
    }
    if failed > 0 { throw ExitCode(1) }
  }

  private func channelConfiguration() throws -> RPCChannelConfiguration {
    var configuration = RPCChannelConfiguration()
    guard usesTLS else { return configuration }
    let files = TLSFiles(certificate: nil, key: nil, authorities: authoritiesFile)
    configuration.tls = ClientTLS(try TLSCredentials(files), server: .host(serverHostOverride ?? serverHost))
    return configuration
  }

  private func wanted() throws -> [TestCase] {
    try cases.flatMap { name -> [TestCase] in
      if name == "all" { return TestCase.allCases.filter { !$0.needsMisbehavingServer } }
      guard let testCase = TestCase(rawValue: name) else { throw ValidationError("there is no case '\(name)'") }
      return [testCase]
    }
  }

  /// A case that hangs has failed.
  private func limited(_ body: @escaping @Sendable () async throws -> Void) async throws {
    try await withThrowingTaskGroup { group in
      group.addTask { try await body() }
      group.addTask { [caseTimeout] in
        try await Task.sleep(for: .seconds(caseTimeout))
        throw Unexpected("not finished after \(caseTimeout) s")
      }
      defer { group.cancelAll() }
      try await group.next()
    }
  }
}
