import ArgumentParser
import WalletSimulation

@main
struct WalletSimulationMain: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "wallet-simulation",
    abstract:
      "Runs wallet's queue and commands through seeded trouble, and checks the books after every operation."
  )

  @Option(help: "How many seeds.")
  var seeds = 200

  @Option(help: "The first seed.")
  var firstSeed: UInt64 = 1

  @Option(help: "Operations per seed.")
  var operations = 200

  @Option(help: "Seeds at a time.")
  var lanes = 2

  @Flag(help: "Print what the callers of the first seed are told.")
  var trace = false

  func run() async throws {
    if trace {
      for line in try WalletSimulation.trace(seed: firstSeed, operations: operations) {
        print(line)
      }
      return
    }
    let failures = try await WalletSimulation.check(
      seeds: firstSeed..<(firstSeed + UInt64(seeds)), operations: operations, lanes: lanes
    ) { done in
      if done.isMultiple(of: 250) { print("\(done) of \(seeds) seeds") }
    }
    for failure in failures { print(failure) }
    print("\(seeds) seeds of \(operations) operations: \(failures.count) failed")
    if !failures.isEmpty { throw ExitCode.failure }
  }
}
