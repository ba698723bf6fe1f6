import IdentityDomain
import IdentityMemory
import IdentityStorage
import Kernel
import Mongo
import Reliability
import TestKit

/// What the contract needs of a kind of store besides the protocol.
struct IdentityStoreBench: Sendable {
  let store: any IdentityStore
  let setStatus: @Sendable (UserStatus, UserID) async throws -> Void
  let delete: @Sendable (UserID) async throws -> Void
  let sessionCount: @Sendable () async throws -> Int
  /// The reasons of refused logins, with nil for a success, in no particular order.
  let auditReasons: @Sendable () async throws -> [String?]
}

struct ContractSeedIDs: SeedIdentifying {
  func id(forKey key: String) -> String { SeedID.text(forKey: key) }
}

extension StoreKind {
  /// Runs `work` on an empty store of this kind; a database of its own is dropped afterwards.
  func withIdentityStore(_ work: (IdentityStoreBench) async throws -> Void) async throws {
    switch self {
    case .memory:
      let store = InMemoryIdentityStore()
      try await work(
        IdentityStoreBench(
          store: store, setStatus: { store.setStatus($0, of: $1) }, delete: { store.delete($0) },
          sessionCount: { store.sessions.count }, auditReasons: { store.records.map(\.reason) }))
    case .mongo:
      try await TestMongo.withDatabase("identity", migrations: IdentityMigrations.all) { database in
        try await work(Self.bench(database))
      }
    }
  }

  private static func bench(_ database: MongoDatabase) -> IdentityStoreBench {
    IdentityStoreBench(
      store: MongoIdentityStore(database),
      setStatus: { status, id in try await set(database, id, ["status": .string(status.rawValue)]) },
      delete: { id in
        try await set(database, id, ["deletedAt": .datetime(Timestamp(milliseconds: 1)), "deletedBy": "SYSTEM"])
      },
      sessionCount: { Int(try await database.run { try $0.count("sessions") }) },
      auditReasons: { try await auditReasons(database) })
  }

  private static func auditReasons(_ database: MongoDatabase) async throws -> [String?] {
    try await database.run { connection in
      try connection.find(Outbox.collection).flatMap { try $0.documents("messages") }
        .map { try $0.document("payload").document("metadata").optionalString("reason") }
    }
  }

  private static func set(_ database: MongoDatabase, _ id: UserID, _ fields: BSONDocument) async throws {
    let update: BSONDocument = ["$set": .document(fields)]
    _ = try await database.run { try $0.updateOne("users", ["_id": .id(id)], update) }
  }
}
