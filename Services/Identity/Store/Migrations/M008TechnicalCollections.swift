import Mongo
import Reliability

extension IdentityMigrations {
  static let technicalCollections = Migration(
    id: "008_technical_collections", description: "Outbox and request log",
    up: Outbox.migrationSteps + RequestLog.migrationSteps)
}
