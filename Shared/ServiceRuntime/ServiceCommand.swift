import ArgumentParser
import Config

/// What the arguments ask for.
struct Invocation: Sendable {
  enum Action: Sendable {
    case serve
    case checkConfiguration
    case migrate(MigrationRequest)
    case seed(SeedProfile)
    /// The path that is asked: `/live`, `/ready`.
    case probe(String)
  }

  let action: Action
  /// `--set` by key.
  let overrides: [String: String]
}

/// A command that says what it asks for, so that parsing is apart from doing.
protocol InvocableCommand: ParsableCommand {
  func invocation() throws -> Invocation
}

/// The arguments of every executable; without a subcommand it serves.
struct ServiceCommand: InvocableCommand {
  static let version = "0.1.0"

  static var configuration: CommandConfiguration {
    CommandConfiguration(
      commandName: name, abstract: "The \(name) service of MOBO. Without a subcommand it serves.",
      discussion: """
        Configuration: --set, then environment variables, then CONFIG_FILE, then defaults.
        Exit codes: 0 done, 64 usage, 69 database or port unavailable, 70 internal, 78 configuration.
        """,
      version: version, subcommands: [MigrateCommand.self, SeedArguments.self, ProbeCommand.self])
  }

  @Flag(name: .customLong("check-config"), help: "Print the configuration without secrets, and end.")
  var checksConfiguration = false

  @OptionGroup var overrides: Overrides

  func invocation() throws -> Invocation {
    Invocation(action: checksConfiguration ? .checkConfiguration : .serve, overrides: try overrides.byKey())
  }

  /// Throws what `exit(withError:)` turns into help, version or usage.
  static func invocation() throws -> Invocation {
    guard let command = try parseAsRoot() as? any InvocableCommand else { throw CleanExit.helpRequest(self) }
    return try command.invocation()
  }

  private static var name: String {
    CommandLine.arguments.first?.split(separator: "/").last.map(String.init) ?? "service"
  }
}

struct Overrides: ParsableArguments {
  @Option(name: .customLong("set"), help: ArgumentHelp("Override a configuration key.", valueName: "KEY=VALUE"))
  var settings: [String] = []

  func byKey() throws -> [String: String] {
    var values: [String: String] = [:]
    for setting in settings {
      guard let mark = setting.firstIndex(of: "="), mark != setting.startIndex else {
        throw ValidationError("--set needs KEY=VALUE")
      }
      values[String(setting[..<mark])] = String(setting[setting.index(after: mark)...])
    }
    return values
  }
}

struct SeedArguments: InvocableCommand {
  static let configuration = CommandConfiguration(
    commandName: "seed", abstract: "Write the service's part of a seed profile; again changes nothing.")

  @Argument(help: "none, admin, base or demo.")
  var profile: SeedProfile

  @OptionGroup var overrides: Overrides

  func invocation() throws -> Invocation {
    Invocation(action: .seed(profile), overrides: try overrides.byKey())
  }
}

extension SeedProfile: ExpressibleByArgument {}

struct ProbeCommand: InvocableCommand {
  static let configuration = CommandConfiguration(
    commandName: "probe", abstract: "Ask the running process on its admin port; exit code 0 or 1.")

  enum Question: EnumerableFlag {
    case ready, live
  }

  @Flag(help: "What to ask for.") var question: Question = .ready
  @OptionGroup var overrides: Overrides

  func invocation() throws -> Invocation {
    Invocation(action: .probe(question == .live ? "/live" : "/ready"), overrides: try overrides.byKey())
  }
}
