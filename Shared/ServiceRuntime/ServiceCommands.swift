import Config
import Kernel
import Logging
import Mongo
import Telemetry

/// The `seed` subcommand.
struct SeedCommand<Definition: ServiceDefinition> {
  private let definition: Definition
  private let configured: Configured<Definition.Settings>

  init(_ definition: Definition, _ configured: Configured<Definition.Settings>) {
    self.definition = definition
    self.configured = configured
  }

  func run(_ profile: SeedProfile) async throws -> ProcessExit {
    Logs.start(service: configured.service.rawValue, level: max(configured.logLevel, .warning))
    guard let settings = configured.common.mongo else {
      print("\(configured.service.rawValue) keeps no data: nothing to seed")
      return .success
    }
    let logger = Logger(label: configured.service.rawValue)
    let clock = SystemClock()
    let opened = try await ServiceDatabase.open(
      settings, configured.service, migrations: definition.migrations, clock: clock, logger: logger)
    let host = ServiceHost(configured, database: opened.client, clock: clock, logger: logger)
    do {
      try await opened.prepareSchema()
      try await definition.seed(profile, host)
    } catch {
      await host.channels.close()
      await opened.client.close()
      throw error
    }
    await host.channels.close()
    await opened.client.close()
    print("seeded \(profile.rawValue)")
    return .success
  }
}
