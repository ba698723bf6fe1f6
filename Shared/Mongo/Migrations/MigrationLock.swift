import Kernel

/// The lock document of `schema_migrations`: one runner at a time, across processes and machines.
///
/// Expiry is judged by the database's clock. The holder counts its own time on the monotonic clock from before each
/// renewal was sent, so it stops before anybody else may begin.
struct MigrationLock: Sendable {
  static let lease = Duration.seconds(30)
  static let renewEvery = Duration.seconds(10)
  private static let filter: BSONDocument = ["_id": "lock"]

  let database: MongoDatabase
  let collection: String
  /// Unique per runner.
  let holder: String

  /// The moment until which the lock is certainly ours; nil if somebody else holds it.
  func acquire() async throws -> Deadline? {
    let until = Deadline.after(Self.lease)
    let (collection, holder) = (collection, holder)
    let acquired = try await database.run { connection in
      do {
        try connection.insertOne(
          collection, ["_id": "lock", "id": "lock", "expiresAt": .datetime(Timestamp(milliseconds: 0)), "fence": 0])
      } catch MongoFailure.duplicateKey {
        // It exists, which is all we want.
      }
      let free: BSONDocument = [
        "_id": "lock",
        "$or": [["holder": .string(holder)], ["$expr": ["$lt": ["$expiresAt", "$$NOW"]]]],
      ]
      return try connection.updateOne(
        collection, free,
        pipeline: [
          [
            "$set": [
              "holder": .string(holder), "expiresAt": Self.expiry, "fence": ["$add": ["$fence", 1]],
            ]
          ]
        ]
      ).matched == 1
    }
    return acquired ? until : nil
  }

  /// Nil if the lock is no longer ours.
  func renew() async throws -> Deadline? {
    let until = Deadline.after(Self.lease)
    let (collection, holder) = (collection, holder)
    let renewed = try await database.run { connection in
      try connection.updateOne(
        collection, Self.filter.appending("holder", .string(holder)),
        pipeline: [["$set": ["expiresAt": Self.expiry]]]
      ).matched == 1
    }
    return renewed ? until : nil
  }

  func release() async throws {
    let (collection, holder) = (collection, holder)
    _ = try await database.run { connection in
      try connection.updateOne(
        collection, Self.filter.appending("holder", .string(holder)),
        ["$set": ["expiresAt": .datetime(Timestamp(milliseconds: 0)), "holder": .null]])
    }
  }

  func currentHolder() async throws -> String {
    let collection = collection
    return try await database.run { try $0.findOne(collection, Self.filter)?.optionalString("holder") } ?? "unknown"
  }

  private static let expiry: BSONValue = ["$add": ["$$NOW", .int64(lease.wholeMilliseconds)]]
}
