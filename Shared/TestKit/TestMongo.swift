import Kernel
import Logging
import Mongo

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A real MongoDB for a test: a client of its own on `MONGODB_URI` and a database of its own, dropped at the end.
public struct TestMongo: Sendable {
  public let client: MongoClient
  public let database: MongoDatabase
  /// Unique to this value, so that failpoints hit nobody else.
  public let appName: String

  /// Storage tests are skipped without a server: `@Suite(.enabled(if: TestMongo.isAvailable))`.
  public static var isAvailable: Bool { getenv("MONGODB_URI") != nil }

  public static var uri: String {
    getenv("MONGODB_URI").map { String(cString: $0) } ?? "mongodb://127.0.0.1:27017/?replicaSet=rs0"
  }

  /// `t_<random>_<label>`: test processes share a server but never a database.
  public static func uniqueName(_ label: String) -> String {
    "t_\(String(UInt64.random(in: 0...0xFFFF_FFFF), radix: 16))_\(label)"
  }

  /// A configuration with a unique database and application name and small pools.
  public static func configuration(_ label: String) -> MongoConfiguration {
    let name = uniqueName(label)
    return MongoConfiguration(
      uri: uri, database: name, appName: name, poolMax: 16, poolMin: 1, heartbeat: .milliseconds(500),
      retryBase: .milliseconds(5))
  }

  /// Runs `body` on an empty, migrated database that is dropped afterwards.
  @discardableResult
  public static func withDatabase<Value: Sendable>(
    _ label: String, migrations: [Migration] = [], _ body: (MongoDatabase) async throws -> Value
  ) async throws -> Value {
    try await withMongo(label, migrations: migrations) { try await body($0.database) }
  }

  /// The same with the client and its application name. Disconnects and drops whatever happens in between.
  @discardableResult
  public static func withMongo<Value: Sendable>(
    _ label: String, migrations: [Migration] = [], logger: Logger = Logger(label: "test"),
    listener: (any MongoListener)? = nil, configure: (inout MongoConfiguration) -> Void = { _ in },
    _ body: (TestMongo) async throws -> Value
  ) async throws -> Value {
    var configuration = configuration(label)
    configure(&configuration)
    let client = MongoClient(configuration, logger: logger, listener: listener)
    try await client.start()
    let mongo = TestMongo(client: client, database: client.database, appName: configuration.appName)
    let result: Result<Value, any Error>
    do {
      if !migrations.isEmpty { try await MigrationRunner(mongo.database, migrations).up() }
      result = .success(try await body(mongo))
    } catch {
      result = .failure(error)
    }
    try await mongo.drop()
    await client.close()
    return try result.get()
  }

  /// With a client of its own: the test may have closed, or broken, the one it was given.
  private func drop() async throws {
    let name = database.name
    try await Self.asOperator { database in
      _ = try await database.run { try $0.command(["dropDatabase": 1], database: name) }
    }
  }

  /// Runs `body` with a client that no failpoint of a test hits.
  public static func asOperator<Value: Sendable>(
    _ body: (MongoDatabase) async throws -> Value
  ) async throws -> Value {
    let name = uniqueName("operator")
    let client = MongoClient(
      MongoConfiguration(uri: uri, database: name, appName: name, poolMax: 2, poolMin: 0),
      logger: Logger(label: "test"))
    try await client.start()
    let result: Result<Value, any Error>
    do {
      result = .success(try await body(client.database))
    } catch {
      result = .failure(error)
    }
    await client.close()
    return try result.get()
  }
}

extension TestMongo {
  /// The port of the server, where `MONGODB_URI` names a single one on this machine.
  public static var port: UInt16? {
    let authority = uri.drop { $0 != ":" }.dropFirst(3).prefix { $0 != "/" && $0 != "?" }
    return authority.split(separator: ":").last.flatMap { UInt16($0) }
  }

  /// Waits for a condition of another process; the bound is for failing, not for passing.
  public static func await(
    _ what: String, within limit: Duration = .seconds(20), _ condition: () async throws -> Bool
  ) async throws {
    let deadline = Deadline.after(limit)
    while try await !condition() {
      guard !deadline.hasPassed else { throw NeverHappened(what: what) }
      try await Task.sleep(for: .milliseconds(5))
    }
  }

  public struct NeverHappened: Error {
    public let what: String
  }
}
