import Mongo
import Reliability

extension WalletMigrations {
  static let technicalCollections = Migration(
    id: "005_technical_collections", description: "Outbox and request log",
    up: Outbox.migrationSteps + RequestLog.migrationSteps)
}
