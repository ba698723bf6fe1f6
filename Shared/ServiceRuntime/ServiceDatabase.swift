import Config
import Kernel
import Logging
import Mongo

/// The connected database of a process, with its schema.
struct ServiceDatabase: Sendable {
  let client: MongoClient
  private let settings: MongoSettings
  private let service: ServiceName
  private let migrations: [Migration]
  private let clock: any WallClock
  private let logger: Logger

  /// Connects. Fails with `MongoStartFailure`.
  static func open(
    _ settings: MongoSettings, _ service: ServiceName, migrations: [Migration], clock: any WallClock, logger: Logger,
    listener: (any MongoListener)? = nil
  ) async throws -> ServiceDatabase {
    let configuration = configuration(settings, service)
    logger.info("connecting to the database", metadata: ["database": "\(configuration)"])
    let client = try await connect(configuration, logger, listener)
    return ServiceDatabase(
      client: client, settings: settings, service: service, migrations: migrations, clock: clock, logger: logger)
  }

  /// A client of its own for changes of the schema: with the user that may make them, and time for what takes long.
  static func connectForMigrations(
    _ settings: MongoSettings, _ service: ServiceName, asAdministrator: Bool = false, logger: Logger
  ) async throws -> MongoClient {
    let own = settings.migrationURI ?? settings.uri
    var configuration = configuration(settings, service)
    configuration.uri = asAdministrator ? settings.adminURI ?? own : own
    configuration.appName += "-migrate"
    configuration.poolMin = 0
    configuration.poolMax = 4
    configuration.socketTimeout = commandTimeMax
    return try await connect(configuration, logger)
  }

  /// Building an index of a large collection, or searching it, may take this long.
  private static let commandTimeMax = Duration.seconds(86_400)

  private static func configuration(_ settings: MongoSettings, _ service: ServiceName) -> MongoConfiguration {
    MongoConfiguration(
      uri: settings.uri, database: settings.database, appName: "mobo-\(service.rawValue)",
      poolMax: settings.poolMax, poolMin: settings.poolMin,
      serverSelectionTimeout: settings.serverSelectionTimeout, socketTimeout: settings.socketTimeout,
      connectTimeout: settings.connectTimeout, waitQueueTimeout: settings.waitQueueTimeout,
      heartbeat: settings.heartbeat, retryAttempts: settings.retryAttempts, retryBase: settings.retryBase,
      family: settings.family)
  }

  private static func connect(
    _ configuration: MongoConfiguration, _ logger: Logger, _ listener: (any MongoListener)? = nil
  ) async throws -> MongoClient {
    let client = MongoClient(configuration, logger: logger, listener: listener)
    do {
      try await client.start()
    } catch {
      await client.close()
      throw error
    }
    return client
  }

  var database: MongoDatabase { client.database }

  var runner: MigrationRunner { MigrationRunner(database, migrations, clock: clock, logger: logger) }

  /// Brings the schema to this build's version where that is allowed, and refuses to go on with any other.
  func prepareSchema() async throws {
    if try await runner.isUpToDate() { return }
    if settings.autoMigrate {
      try await migrate()
      if try await runner.isUpToDate() { return }
    }
    throw StartFailure(
      .unavailable,
      "MongoDB: the schema of \(database.name) is not the one this build needs: run `migrate status` and `migrate up`")
  }

  private func migrate() async throws {
    let client = try await Self.connectForMigrations(settings, service, logger: logger)
    let result: Result<[String], any Error>
    do {
      result = .success(try await MigrationRunner(client.database, migrations, clock: clock, logger: logger).up())
    } catch {
      result = .failure(error)
    }
    await client.close()
    _ = try result.get()
  }
}
