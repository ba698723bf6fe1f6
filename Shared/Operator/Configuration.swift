import ArgumentParser

/// `mobo configuration`: what each service would run with, secrets left out.
struct Configuration: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Checks and prints the configuration of every service.")

  @OptionGroup var selection: ServiceSelection

  func run() throws {
    try selection.runEach(["--check-config"])
  }
}
