import ArgumentParser

/// `mobo migrate`: the migrations of all services, each run by its own executable.
struct Migrate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Shows or runs the migrations of every service.",
    discussion: "A service migrates its own database only; this runs them one after the other and stops at a failure.")

  @Argument(help: "status, plan, up or down.")
  var action: Action

  @Option(name: .long, help: "Stop at this migration id; needs one --service.")
  var to: String?

  @OptionGroup var selection: ServiceSelection

  enum Action: String, ExpressibleByArgument, CaseIterable {
    case status, plan, up, down
  }

  func validate() throws {
    guard to == nil || selection.service.count == 1 else {
      throw ValidationError("--to needs exactly one --service, because ids are per service")
    }
    guard action != .down || to != nil else {
      throw ValidationError("down needs --to and --service: say how far back")
    }
  }

  func run() throws {
    try selection.runEach(["migrate", action.rawValue] + (to.map { ["--to", $0] } ?? []))
  }
}
