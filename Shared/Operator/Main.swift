import ArgumentParser

/// The operator's command for the whole stack. The script `mobo` at the root starts and stops things; this does the
/// rest.
@main
struct Mobo: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mobo",
    abstract: "Operates a MOBO deployment.",
    discussion: """
      Configuration comes from .mobo/config/<service>.json, which `./mobo up` writes; environment variables win over it.
      Starting, stopping and testing are commands of the script ./mobo at the project's root.
      """,
    subcommands: [Migrate.self, Seed.self, Configuration.self, Reconcile.self])
}
