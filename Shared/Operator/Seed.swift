import ArgumentParser

/// `mobo seed`: seed data of all services, each seeding its own database.
struct Seed: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Writes seed data; idempotent, never deletes.")

  @Argument(help: "admin or base.")
  var profile: String

  @OptionGroup var selection: ServiceSelection

  func run() throws {
    try selection.runEach(["seed", profile])
  }
}
