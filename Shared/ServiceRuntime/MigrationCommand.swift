import Config
import Kernel
import Logging
import Mongo
import Synchronization
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
    var asAdministrator = false
    if case .users = request.kind { asAdministrator = true }
    let client = try await ServiceDatabase.connectForMigrations(
      settings, configured.service, asAdministrator: asAdministrator, logger: logger)
    let result: Result<ProcessExit, any Error>
    do {
      result = .success(try await perform(request, client.database, settings, logger))
    } catch {
      result = .failure(error)
    }
    await client.close()
    do {
      return try result.get()
    } catch let failure as MigrationFailure {
      throw StartFailure(Self.exit(failure), "\(failure)")
    }
  }

  private func perform(
    _ request: MigrationRequest, _ database: MongoDatabase, _ settings: MongoSettings, _ logger: Logger
  ) async throws -> ProcessExit {
    let progress = ProgressLines()
    let runner = MigrationRunner(
      database, definition.migrations, logger: logger,
      options: MigrationRunner.Options(
        patience: request.waits ? .seconds(120) : .zero, documentsPerSecond: request.documentsPerSecond,
        report: { progress.tell($0) }))
    let print = MigrationPrinter(asRows: request.printsRows)
    switch request.kind {
    case .status:
      let statuses = try await runner.status()
      print.statuses(statuses)
      return request.tellsByExitCode ? Self.exit(statuses) : .success
    case .plan:
      let plan = try await runner.plan(upTo: request.upTo)
      print.plan(plan)
      return request.tellsByExitCode ? Self.exit(plan) : .success
    case .up where request.isDryRun:
      print.plan(try await runner.plan(upTo: request.upTo))
    case .up:
      print.done("applied", try await runner.up(to: request.upTo), nothing: "nothing to apply")
    case .down(let target) where request.isDryRun:
      print.plan(try await runner.plan(downTo: target))
    case .down(let target):
      print.done("undone", try await runner.down(to: target), nothing: "nothing to undo")
    case .verify:
      let findings = try await runner.verify()
      print.findings(findings)
      return Self.exit(findings)
    case .drift:
      let findings = try await runner.drift()
      print.findings(findings)
      return Self.exit(findings)
    case .users:
      try await UsersCommand(
        service: configured.service, common: configured.common, settings: settings,
        appendOnly: definition.appendOnlyCollections, migrations: definition.migrations
      ).run(database, isDryRun: request.isDryRun)
    }
    return .success
  }

  private static func exit(_ failure: MigrationFailure) -> ProcessExit {
    switch failure {
    case .unknownID: .usage
    case .checksumChanged: .migrationChanged
    case .locked, .leaseLost: .migrationLocked
    case .notVerified: .schemaDrifted
    case .duplicates, .invalidDocuments, .indexConflict, .indexNotUsed, .backfillOvertaken, .notInThisBuild:
      .migrationRefused
    }
  }

  private static func exit(_ statuses: [MigrationStatus]) -> ProcessExit {
    var exit = ProcessExit.success
    for status in statuses {
      switch status.state {
      case .changed: return .migrationChanged
      case .pending, .unfinished: exit = .migrationPending
      case .applied, .foreign: break
      }
    }
    return exit
  }

  private static func exit(_ plan: [PlannedMigration]) -> ProcessExit {
    if plan.flatMap(\.steps).contains(where: \.isRefused) { return .migrationRefused }
    return plan.isEmpty ? .success : .migrationPending
  }

  private static func exit(_ findings: [SchemaFinding]) -> ProcessExit {
    if findings.contains(where: { $0.problem == .changed }) { return .migrationChanged }
    if findings.contains(where: \.isDrift) { return .schemaDrifted }
    return findings.isEmpty ? .success : .migrationPending
  }
}

/// Progress for people who wait: on the error output, at most one line per second.
private final class ProgressLines: Sendable {
  private let quietUntil = Mutex(ContinuousClock.now)

  func tell(_ progress: MigrationProgress) {
    let isDue = quietUntil.withLock { until in
      guard progress.done == 0 || progress.done >= progress.total || until <= .now else { return false }
      until = .now + .seconds(1)
      return true
    }
    guard isDue else { return }
    let changed = progress.changed == 0 ? "" : ", \(progress.changed) changed"
    TerminalOutput.error(
      "\(progress.migration): \(progress.step): \(progress.done) of \(progress.total) documents\(changed)")
  }
}

/// Results on the standard output: for people, or as tab-separated rows.
struct MigrationPrinter {
  let asRows: Bool

  init(asRows: Bool) {
    self.asRows = asRows
  }

  func statuses(_ statuses: [MigrationStatus]) {
    for status in statuses {
      let (state, instant) = Self.text(status.state)
      if asRows {
        row(status.id, state, instant?.rfc3339 ?? "", status.description)
      } else {
        print("\(status.id)  \(state)\(instant.map { " \($0.rfc3339)" } ?? "")  \(status.description)")
      }
    }
  }

  func plan(_ plan: [PlannedMigration]) {
    if plan.isEmpty, !asRows { print("nothing to do") }
    for migration in plan {
      if !asRows { print("\(migration.direction.rawValue) \(migration.id)  \(migration.description)") }
      for step in migration.steps {
        for command in step.commands {
          if asRows { row(migration.id, migration.direction.rawValue, command) } else { print("  \(command)") }
        }
        for effect in step.effects {
          let text = (step.isRefused ? "refused: " : "") + effect
          if asRows { row(migration.id, "effect", text) } else { print("    -- \(text)") }
        }
      }
    }
  }

  func findings(_ findings: [SchemaFinding]) {
    if findings.isEmpty, !asRows { print("as declared") }
    for finding in findings {
      if asRows {
        row(finding.problem.rawValue, finding.subject, finding.detail)
      } else {
        print("\(finding)")
      }
    }
  }

  func done(_ verb: String, _ ids: [String], nothing: String) {
    print(ids.isEmpty ? nothing : ids.map { "\(verb) \($0)" }.joined(separator: "\n"))
  }

  private func row(_ cells: String...) {
    print(cells.map { $0.split(whereSeparator: \.isNewline).joined(separator: " ") }.joined(separator: "\t"))
  }

  private static func text(_ state: MigrationStatus.State) -> (String, Timestamp?) {
    switch state {
    case .pending: ("pending", nil)
    case .applied(let instant): ("applied", instant)
    case .changed(let instant): ("CHANGED since applied", instant)
    case .foreign(let instant): ("of another build, applied", instant)
    case .unfinished: ("unfinished", nil)
    }
  }
}
