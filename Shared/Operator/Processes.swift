import ArgumentParser
import Foundation

/// The services that own a database, in the order in which they are migrated.
let databaseServices = ["identity", "campaign", "wallet", "order", "audit"]

/// Runs the executable of a service, which lies beside this one, with the configuration that `./mobo up` wrote.
///
/// - Returns: the exit code of the service.
func runService(_ service: String, _ arguments: [String], configurationFolder: String) throws -> Int32 {
  let process = try process(of: service, arguments, configurationFolder)
  try process.run()
  process.waitUntilExit()
  return process.terminationStatus
}

/// The same, with what the service says on its standard output.
func outputOfService(
  _ service: String, _ arguments: [String], configurationFolder: String
) throws -> (code: Int32, output: String) {
  let process = try process(of: service, arguments, configurationFolder)
  let pipe = Pipe()
  process.standardOutput = pipe
  try process.run()
  let output = pipe.fileHandleForReading.readDataToEndOfFile()
  process.waitUntilExit()
  return (process.terminationStatus, String(decoding: output, as: UTF8.self))
}

private func process(of service: String, _ arguments: [String], _ configurationFolder: String) throws -> Process {
  let folder = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath().deletingLastPathComponent()
  let executable = folder.appendingPathComponent(service)
  guard FileManager.default.isExecutableFile(atPath: executable.path) else {
    throw ValidationError("there is no executable \(service) beside mobo: build it first (swift build -c release)")
  }
  var environment = ProcessInfo.processInfo.environment
  let file = "\(configurationFolder)/\(service).json"
  if environment["CONFIG_FILE"] == nil, FileManager.default.fileExists(atPath: file) {
    environment["CONFIG_FILE"] = file
  }
  let process = Process()
  process.executableURL = executable
  process.arguments = arguments
  process.environment = environment
  return process
}

/// Which services a command is about, and where their configuration lies.
struct ServiceSelection: ParsableArguments {
  @Option(name: .long, help: "Only this service; may be repeated. Default: all that own a database.")
  var service: [String] = []

  @Option(name: .long, help: "Folder with one <service>.json each.")
  var configuration = ".mobo/config"

  func validate() throws {
    for name in service where !databaseServices.contains(name) {
      throw ValidationError("unknown service \(name): one of \(databaseServices.joined(separator: ", "))")
    }
  }

  var names: [String] { service.isEmpty ? databaseServices : service }

  /// Runs the command in every selected service, one after the other; stops at the first failure with its code.
  func runEach(_ arguments: [String]) throws {
    for name in names {
      print("\(name):")
      fflush(nil)  // Before what the service itself prints.
      let code = try runService(name, arguments, configurationFolder: configuration)
      guard code == 0 else { throw ExitCode(code) }
    }
  }
}
