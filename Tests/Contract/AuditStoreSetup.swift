import AuditDomain
import AuditStorage
import Mongo
import TestKit

extension StoreKind {
  /// Runs `work` on an empty store of this kind; a database of its own is dropped afterwards.
  func withAuditStore(_ work: (any AuditStore) async throws -> Void) async throws {
    switch self {
    case .memory: try await work(AuditMemoryStore())
    case .mongo:
      try await TestMongo.withDatabase("audit", migrations: AuditMigrations.all) { database in
        try await work(MongoAuditStore(database))
      }
    }
  }
}
