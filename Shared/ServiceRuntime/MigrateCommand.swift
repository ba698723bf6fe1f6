import ArgumentParser
import Config

/// One `migrate` subcommand.
struct MigrationRequest: Sendable {
  enum Kind: Sendable {
    case status
    case plan
    case up
    /// Back to this migration; an empty id undoes everything.
    case down(to: String)
    case verify
    case drift
    case users
  }

  let kind: Kind
  /// Up to and including this id; nil means all.
  var upTo: String?
  /// Only say what would be done.
  var isDryRun = false
  /// Whether to wait while another runner works.
  var waits = true
  /// Documents per second of backfills; nil means the pace that each declares.
  var documentsPerSecond: Int?
  /// Whether what was found also decides the exit code.
  var tellsByExitCode = false
  /// Tab-separated rows, for programs.
  var printsRows = false
}

struct MigrateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "migrate", abstract: "Show or change the schema of the service's own database.",
    discussion: """
      Connects with MIGRATE_MONGODB_URI if it is set, else with MONGODB_URI.
      Exit codes: 0 fine; 10 something is pending or unfinished; 11 an applied migration was changed; 12 the database \
      has drifted; 13 another runner holds the lock; 14 refused, because what the database holds does not fit; 64 \
      usage, 69 database, 70 internal, 78 configuration.
      """,
    subcommands: [Status.self, Plan.self, Up.self, Down.self, Verify.self, Drift.self, Users.self])

  /// How findings are told.
  struct Telling: ParsableArguments {
    @Flag(name: .customLong("tsv"), help: "Print tab-separated rows, for programs.") var printsRows = false
    @OptionGroup var overrides: Overrides
  }

  /// How work is done.
  struct Working: ParsableArguments {
    @Flag(help: "Only print the commands, and what they are about.") var dryRun = false
    @Flag(name: .customLong("no-wait"), help: "End with 13 at once while another runner works; else wait 2 minutes.")
    var refusesToWait = false
    @Option(help: ArgumentHelp("Documents that backfills look at per second.", valueName: "N")) var pace: Int?
    @OptionGroup var overrides: Overrides

    func validate() throws {
      if let pace, pace < 1 { throw ValidationError("--pace must be at least 1") }
    }

    func invocation(_ request: MigrationRequest) throws -> Invocation {
      var request = request
      request.isDryRun = dryRun
      request.waits = !refusesToWait
      request.documentsPerSecond = pace
      return Invocation(action: .migrate(request), overrides: try overrides.byKey())
    }
  }

  struct Status: InvocableCommand {
    static let configuration = CommandConfiguration(abstract: "What is applied and what is pending.")
    @Flag(help: "End with 10 or 11 unless everything is applied unchanged.") var exitCode = false
    @OptionGroup var telling: Telling

    func invocation() throws -> Invocation {
      let request = MigrationRequest(kind: .status, tellsByExitCode: exitCode, printsRows: telling.printsRows)
      return Invocation(action: .migrate(request), overrides: try telling.overrides.byKey())
    }
  }

  struct Plan: InvocableCommand {
    static let configuration = CommandConfiguration(
      abstract: "The commands that `up` would run, and what they are about.")
    @Option(help: ArgumentHelp("Stop after this migration.", valueName: "ID")) var to: String?
    @Flag(help: "End with 10 if there is something to do, with 14 if `up` would refuse it.") var exitCode = false
    @OptionGroup var telling: Telling

    func invocation() throws -> Invocation {
      let request = MigrationRequest(
        kind: .plan, upTo: to, tellsByExitCode: exitCode, printsRows: telling.printsRows)
      return Invocation(action: .migrate(request), overrides: try telling.overrides.byKey())
    }
  }

  struct Up: InvocableCommand {
    static let configuration = CommandConfiguration(abstract: "Apply what is pending.")
    @Option(help: ArgumentHelp("Stop after this migration.", valueName: "ID")) var to: String?
    @OptionGroup var working: Working

    func invocation() throws -> Invocation {
      try working.invocation(MigrationRequest(kind: .up, upTo: to))
    }
  }

  struct Down: InvocableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Undo, newest first, what was applied after a migration. Documents stay.")
    @Option(help: ArgumentHelp("The migration to go back to; an empty id undoes all.", valueName: "ID"))
    var to: String
    @OptionGroup var working: Working

    func invocation() throws -> Invocation {
      try working.invocation(MigrationRequest(kind: .down(to: to)))
    }
  }

  struct Verify: InvocableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Whether everything is applied, unchanged, and in effect.")
    @OptionGroup var telling: Telling

    func invocation() throws -> Invocation {
      let request = MigrationRequest(kind: .verify, tellsByExitCode: true, printsRows: telling.printsRows)
      return Invocation(action: .migrate(request), overrides: try telling.overrides.byKey())
    }
  }

  struct Drift: InvocableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Every difference between the database and what the applied migrations declare.")
    @OptionGroup var telling: Telling

    func invocation() throws -> Invocation {
      let request = MigrationRequest(kind: .drift, tellsByExitCode: true, printsRows: telling.printsRows)
      return Invocation(action: .migrate(request), overrides: try telling.overrides.byKey())
    }
  }

  struct Users: InvocableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Create the service's own database users, or bring their rights up to date.",
      discussion: """
        One user for the service, one for its migrations. Connects with MONGODB_ADMIN_URI, whose user may create \
        users. Passwords are read from STATE_DIR/secrets or made there, and never printed; beside them lie the URIs, \
        for MONGODB_URI_FILE and MIGRATE_MONGODB_URI_FILE. Without access control it says so, does nothing, and ends \
        with 0.
        """)
    @Flag(help: "Only say what would be done.") var dryRun = false
    @OptionGroup var overrides: Overrides

    func invocation() throws -> Invocation {
      let request = MigrationRequest(kind: .users, isDryRun: dryRun)
      return Invocation(action: .migrate(request), overrides: try overrides.byKey())
    }
  }
}
