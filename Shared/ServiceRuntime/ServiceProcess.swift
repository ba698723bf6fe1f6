import ArgumentParser
import Config
import Kernel
import Logging
import Mongo
import Telemetry

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// How a process ends (sysexits.h; PLATFORM 11.1).
public enum ProcessExit: Int32, Sendable {
  case success = 0
  /// A probe found its condition false.
  case probeFailed = 1
  // What `migrate` found, for scripts.
  case migrationPending = 10
  case migrationChanged = 11
  case schemaDrifted = 12
  case migrationLocked = 13
  /// What the database holds does not fit what was to be done.
  case migrationRefused = 14
  case usage = 64
  /// What the process needs is missing or unsuitable: its database, its schema, its ports.
  case unavailable = 69
  case software = 70
  case configuration = 78
}

/// The frame of every executable: arguments in, exit code out.
public enum ServiceProcess {
  /// Parses the arguments, does what they ask for, and ends the process.
  public static func run<Definition: ServiceDefinition>(_ definition: Definition) async -> Never {
    guard let service = ServiceName(rawValue: Definition.name) else {
      preconditionFailure("\(Definition.name) is no service of the product")
    }
    // A client that goes away while we write is an error of that write, not the end of the process.
    signal(SIGPIPE, SIG_IGN)
    let invocation: Invocation
    do {
      invocation = try ServiceCommand.invocation()
    } catch {
      ServiceCommand.exit(withError: error)  // Prints help or usage; 0 or 64.
    }
    exit(await perform(invocation, definition, service).rawValue)
  }

  private static func perform<Definition: ServiceDefinition>(
    _ invocation: Invocation, _ definition: Definition, _ service: ServiceName
  ) async -> ProcessExit {
    do {
      switch invocation.action {
      case .serve:
        return try await serve(invocation, definition, service)
      case .checkConfiguration:
        print(try Configured<Definition.Settings>(service, invocation.overrides).printable)
        return .success
      case .probe(let path):
        return try Probe.run(path, try Configured<Definition.Settings>(service, invocation.overrides).common)
      case .migrate(let migration):
        let configured = try Configured<Definition.Settings>(service, invocation.overrides)
        return try await MigrationCommand(definition, configured).run(migration)
      case .seed(let profile):
        var overrides = invocation.overrides
        overrides[Keys.seedProfile.name] = profile.rawValue  // So that the profile's own rules are checked.
        let configured = try Configured<Definition.Settings>(service, overrides)
        return try await SeedCommand(definition, configured).run(profile)
      }
    } catch {
      let failure = StartFailure(error)
      TerminalOutput.error("\(service.rawValue): \(failure.message)")
      return failure.exit
    }
  }

  private static func serve<Definition: ServiceDefinition>(
    _ invocation: Invocation, _ definition: Definition, _ service: ServiceName
  ) async throws -> ProcessExit {
    let configured: Configured<Definition.Settings>
    do {
      configured = try Configured(service, invocation.overrides)
    } catch {
      // There is no log level yet; every line of a serving process is JSON all the same.
      Logs.start(service: service.rawValue, level: .info)
      Logger(label: service.rawValue).critical(
        "the configuration is not valid", metadata: ["problems": .array(error.problems.map { .string("\($0)") })])
      return .configuration
    }
    Logs.start(service: service.rawValue, level: configured.logLevel)
    let logger = Logger(label: service.rawValue)
    do {
      return try await ServingProcess(definition, configured, logger).run()
    } catch {
      let failure = StartFailure(error)
      logger.critical("cannot go on", metadata: ["reason": "\(failure.message)"])
      return failure.exit
    }
  }
}

/// Text for people at a terminal.
enum TerminalOutput {
  static func error(_ text: String) {
    let line = Array((text + "\n").utf8)
    StandardErrorSink().write(line)
  }
}
