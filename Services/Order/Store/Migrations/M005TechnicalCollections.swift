import Mongo
import Reliability

extension OrderMigrations {
  static let technicalCollections = Migration(
    id: "005_technical_collections", description: "Outbox, remembered requests, and the shoppers' locks",
    up: Outbox.migrationSteps + RequestLog.migrationSteps + [.createCollection(Collections.shopperLocks)])
}
