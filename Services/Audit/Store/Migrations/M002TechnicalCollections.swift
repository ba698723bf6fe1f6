import Mongo
import Reliability

extension AuditMigrations {
  static let technicalCollections = Migration(
    id: "002_technical_collections", description: "Outbox and request log",
    up: Outbox.migrationSteps + RequestLog.migrationSteps)
}
