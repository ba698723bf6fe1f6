import Config
import Kernel
import Logging
import Mongo
import Telemetry

/// The `migrate` subcommands.
struct MigrationCommand<Definition: ServiceDefinition> {
  private let definition: Definition
  private let configured: Configured<Definition.Settings>

  init(_ definition: Definition, _ configured: Configured<Definition.Settings>) {
    self.definition = definition
    self.configured = configured
  }

  func run(_ request: MigrationRequest) async throws -> ProcessExit {
    guard let settings = configured.common.mongo else {
      throw StartFailure(.usage, "\(configured.service.rawValue) keeps no database")
    }
    Logs.start(service: configured.service.rawValue, level: max(configured.logLevel, .warning))
    let logger = Logger(label: configured.service.rawValue)
    let opened = try await ServiceDatabase.open(
      settings, configured.service, migrations: definition.migrations, clock: SystemClock(), logger: logger)
    do {
      try await perform(request, opened.runner)
    } catch {
      await opened.client.close()
      throw error
    }
    await opened.client.close()
    return .success
  }

  private func perform(_ request: MigrationRequest, _ runner: MigrationRunner) async throws {
    switch request.kind {
    case .status:
      for status in try await runner.status() {
        print("\(status.id)  \(Self.text(status.state))  \(status.description)")
      }
    case .up where request.isDryRun:
      show(try await runner.plan(upTo: request.upTo))
    case .up:
      let applied = try await runner.up(to: request.upTo)
      print(applied.isEmpty ? "nothing to apply" : applied.map { "applied \($0)" }.joined(separator: "\n"))
    case .down(let target) where request.isDryRun:
      show(try await runner.plan(downTo: target))
    case .down(let target):
      let undone = try await runner.down(to: target)
      print(undone.isEmpty ? "nothing to undo" : undone.map { "undone \($0)" }.joined(separator: "\n"))
    }
  }

  private func show(_ plan: [PlannedMigration]) {
    guard !plan.isEmpty else { return print("nothing to do") }
    for migration in plan {
      print("\(migration.direction.rawValue) \(migration.id)")
      for command in migration.commands { print("  \(command)") }
    }
  }

  private static func text(_ state: MigrationStatus.State) -> String {
    switch state {
    case .pending: "pending"
    case .applied(let instant): "applied \(instant.rfc3339)"
    case .changed(let instant): "CHANGED since applied \(instant.rfc3339)"
    case .foreign(let instant): "of another build, applied \(instant.rfc3339)"
    case .unfinished: "unfinished"
    }
  }
}

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
      try await opened.prepareSchema(autoMigrate: settings.autoMigrate)
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
