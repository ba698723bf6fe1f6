import ArgumentParser
import Foundation
import Kernel
import Logging
import Mongo
import RPC
import WalletDomain
import WalletStorage

/// The load of `./mobo bench wallet`: the same transfers, once through the wallet service and once as a plain
/// transaction each, on books of the same shape.
@main
struct BenchWallet: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench-wallet", abstract: "Fills books, and moves money in them as fast as it goes.",
    discussion: "Prints one line of JSON. Exit codes: 0 done, 1 a transfer failed, 64 usage.",
    subcommands: [Fill.self, Plain.self, Service.self, Batches.self])
}

struct BooksOptions: ParsableArguments {
  @Option(help: "The deployment.")
  var mongo: String

  @Option(help: "The database with the books.")
  var database: String

  @Option(help: "Wallets, half of them owners and half shoppers.")
  var wallets = 10_000

  func withDatabase<Value: Sendable>(
    connections: Int, _ work: (MongoDatabase) async throws -> Value
  ) async throws -> Value {
    // Attempts are the business of whoever transfers.
    let configuration = MongoConfiguration(
      uri: mongo, database: database, appName: "bench-wallet", poolMax: connections, poolMin: min(10, connections),
      waitQueueTimeout: .seconds(30), retryAttempts: 1)
    let client = MongoClient(configuration, logger: quietLogger)
    try await client.start()
    do {
      let value = try await work(client.database)
      await client.close()
      return value
    } catch {
      await client.close()
      throw error
    }
  }
}

struct LoadOptions: ParsableArguments {
  @Option(help: "Callers that each wait for an answer before they call again.")
  var callers = 8

  @Option(help: "How long, in seconds.")
  var seconds = 5.0

  @Option(help: "How long before that, in seconds, without counting.")
  var warmUp = 0.5

  @Option(help: "The part of the debits that go to one wallet, in percent.")
  var hot = 0

  @Option(help: "Transfers per second that are begun whether or not others were answered; 0 leaves that to callers.")
  var rate = 0

  func validate() throws {
    guard (1...10_000).contains(callers) else { throw ValidationError("--callers must be from 1 to 10000") }
    guard (0.01...3_600).contains(seconds) else { throw ValidationError("--seconds must be from 0.01 to 3600") }
    guard (0...60).contains(warmUp) else { throw ValidationError("--warm-up must be from 0 to 60") }
    guard (0...100).contains(hot) else { throw ValidationError("--hot must be from 0 to 100") }
    guard (0...1_000_000).contains(rate) else { throw ValidationError("--rate must be from 0 to 1000000") }
  }

  func run(_ population: Population, _ move: @escaping Transfers.Move) async throws {
    let transfers = Transfers(population, hotPercent: hot, warmUp: .seconds(warmUp), move)
    let tally =
      rate > 0
      ? await transfers.steadily(rate, for: .seconds(seconds))
      : await transfers.closedLoop(callers: callers, for: .seconds(seconds))
    tally.print()
    if let failure = tally.firstFailure {
      FileHandle.standardError.write(Data("bench-wallet: \(failure)\n".utf8))
      throw ExitCode(1)
    }
  }
}

struct Fill: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Makes the books: every wallet opened, every owner funded, through the postings of the product.")

  @OptionGroup var books: BooksOptions

  func run() async throws {
    let population = Population(wallets: books.wallets)
    try await books.withDatabase(connections: 8) { database in
      try await MigrationRunner(database, WalletMigrations.all, logger: quietLogger).up()
      try await population.fill(database)
    }
  }
}

struct Plain: AsyncParsableCommand {
  static let configuration = CommandConfiguration(abstract: "One transaction per transfer.")

  @OptionGroup var books: BooksOptions
  @OptionGroup var load: LoadOptions

  func run() async throws {
    try await books.withDatabase(connections: min(load.callers, 64)) { database in
      let plain = PlainTransfers(database)
      try await load.run(Population(wallets: books.wallets)) { try await plain.transfer($0) }
    }
  }
}

struct Service: AsyncParsableCommand {
  static let configuration = CommandConfiguration(abstract: "SettleOrderFunds of the wallet service.")

  @Option(help: "The wallet service, host:port.")
  var target: String

  @Option(help: "The key of the service order.")
  var key: String

  @Option(help: "Wallets, half of them owners and half shoppers.")
  var wallets = 10_000

  @OptionGroup var load: LoadOptions

  func run() async throws {
    var configuration = RPCChannelConfiguration()
    configuration.connectionsPerAddressMax = 2
    let channel = RPCChannel(target: target, configuration: configuration, logger: quietLogger)
    let service = ServiceTransfers(channel, key: key)
    try await load.run(Population(wallets: wallets)) { try await service.transfer($0) }
    await channel.close()
  }
}

struct Batches: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Ready-made batches of as many transfers as there would be callers, one after the other.")

  @OptionGroup var books: BooksOptions
  @OptionGroup var load: LoadOptions

  func run() async throws {
    try await books.withDatabase(connections: 8) { database in
      let store = try await MongoLedgerStore(database)
      var batches = try await ReadyBatches(
        store, Population(wallets: books.wallets), hotPercent: load.hot, size: load.callers)
      try await batches.run(warmUp: .seconds(load.warmUp), for: .seconds(load.seconds)).print()
      await store.close()
    }
  }
}

extension Tally {
  fileprivate func print() {
    FileHandle.standardOutput.write(Data((json + "\n").utf8))
  }
}

let quietLogger: Logger = {
  var logger = Logger(label: "bench-wallet") { StreamLogHandler.standardError(label: $0) }
  logger.logLevel = .error
  return logger
}()
