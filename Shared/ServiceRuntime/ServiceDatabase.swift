import Config
import Kernel
import Logging
import Mongo

/// The connected database of a process, with its schema.
struct ServiceDatabase: Sendable {
  let client: MongoClient
  private let migrations: [Migration]
  private let clock: any WallClock
  private let logger: Logger

  /// Connects. Fails with `MongoStartFailure`.
  static func open(
    _ settings: MongoSettings, _ service: ServiceName, migrations: [Migration], clock: any WallClock, logger: Logger,
    listener: (any MongoListener)? = nil
  ) async throws -> ServiceDatabase {
    let configuration = MongoConfiguration(
      uri: settings.uri, database: settings.database, appName: "mobo-\(service.rawValue)",
      poolMax: settings.poolMax, poolMin: settings.poolMin,
      serverSelectionTimeout: settings.serverSelectionTimeout, socketTimeout: settings.socketTimeout,
      connectTimeout: settings.connectTimeout, waitQueueTimeout: settings.waitQueueTimeout,
      heartbeat: settings.heartbeat, retryAttempts: settings.retryAttempts, retryBase: settings.retryBase,
      family: settings.family)
    logger.info("connecting to the database", metadata: ["database": "\(configuration)"])
    let client = MongoClient(configuration, logger: logger, listener: listener)
    do {
      try await client.start()
    } catch {
      await client.close()
      throw error
    }
    return ServiceDatabase(client: client, migrations: migrations, clock: clock, logger: logger)
  }

  var database: MongoDatabase { client.database }

  var runner: MigrationRunner { MigrationRunner(database, migrations, clock: clock, logger: logger) }

  /// Brings the schema to this build's version where that is allowed, and refuses to go on with any other.
  func prepareSchema(autoMigrate: Bool) async throws {
    if autoMigrate { try await runner.up() }
    guard try await runner.isUpToDate() else {
      throw StartFailure(
        .unavailable,
        "MongoDB: the schema of \(database.name) is not the one this build needs: "
          + "run `migrate status` and `migrate up`")
    }
  }
}
