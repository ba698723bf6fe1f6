import Logging
import Mongo

/// Sees when the schema under a running process is taken back, or brought to what it needs again (DOMAIN 12.3).
struct SchemaWatch: Sendable {
  private static let interval = Duration.seconds(5)

  let runner: MigrationRunner
  let told: @Sendable (Bool) -> Void
  let logger: Logger

  /// Until its task is cancelled. A database that does not answer says nothing about its schema.
  func run() async throws {
    var wasCurrent = true
    while true {
      try await Task.sleep(for: Self.interval)
      let isCurrent: Bool
      do {
        isCurrent = try await runner.isUpToDate()
      } catch is MongoFailure {
        continue
      }
      guard isCurrent != wasCurrent else { continue }
      wasCurrent = isCurrent
      if isCurrent {
        logger.info("the schema is the expected one again")
      } else {
        logger.error("the schema is not the one that this build needs any more")
      }
      told(isCurrent)
    }
  }
}
