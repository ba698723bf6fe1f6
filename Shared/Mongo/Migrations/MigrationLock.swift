import Kernel

/// The lock document of `schema_migrations`: one runner at a time, across processes and machines.
///
/// Expiry is judged by the database's clock. The holder counts its own time on the monotonic clock from before each
/// renewal was sent, so it stops before anybody else may begin. Safety does not rest on that: every acquisition raises
/// the fence, and whatever the runner records is written in one transaction with the lock, if the fence is still its
/// own.
struct MigrationLock: Sendable {
  /// What a runner got.
  struct Held: Sendable {
    let fence: Int64
    /// The moment until which the lock is certainly ours.
    let until: Deadline
  }

  private static let filter: BSONDocument = ["_id": "lock"]
  private static let unauthorizedCode: Int32 = 13

  let database: MongoDatabase
  let collection: String
  /// Unique per runner.
  let holder: String
  /// The session of the runner's transactions. It is on record, so that a successor can end what was left open.
  let session: BSONDocument
  let lease: Duration

  /// Nil if somebody else holds it.
  func acquire() async throws -> Held? {
    let until = Deadline.after(lease)
    let (collection, holder, session) = (collection, holder, session)
    let free: BSONDocument = ["$expr": ["$lt": ["$expiresAt", "$$NOW"]]]
    let values: BSONDocument = [
      "holder": .string(holder), "session": ["$literal": .document(session)], "expiresAt": expiry,
      "fence": ["$add": ["$fence", 1]],
    ]
    let document = try await database.run { connection -> BSONDocument? in
      do {
        try connection.insertOne(
          collection, ["_id": "lock", "id": "lock", "expiresAt": .datetime(Timestamp(milliseconds: 0)), "fence": 0])
      } catch MongoFailure.duplicateKey {
        // It exists, which is all we want.
      }
      // A killed runner's transaction would keep the document for up to a minute.
      let left = try connection.findOne(collection, ["$and": [.document(Self.filter), .document(free)]])
      if let old = try left?.optionalDocument("session"), old != session { try Self.end(old, connection) }
      return try connection.findOneAndUpdate(
        collection, ["_id": "lock", "$or": [["holder": .string(holder)], .document(free)]],
        pipeline: [["$set": .document(values)]])
    }
    guard let document else { return nil }
    return Held(fence: try document.int64("fence"), until: until)
  }

  private static func end(_ session: BSONDocument, _ connection: MongoConnection) throws {
    do {
      try connection.killSessions([session])
    } catch MongoFailure.other(unauthorizedCode, _) {
      // Somebody else's: then the lock is free when that transaction times out.
    }
  }

  /// Nil if the lock is no longer ours.
  func renew(_ fence: Int64) async throws -> Deadline? {
    let until = Deadline.after(lease)
    let (collection, own) = (collection, own(fence))
    let update: BSONDocument = ["$set": ["expiresAt": expiry]]
    let renewed = try await database.run { connection in
      try connection.updateOne(collection, own, pipeline: [update]).matched == 1
    }
    return renewed ? until : nil
  }

  /// Makes the transaction around it one that only the holder of this fence can commit.
  func fence(_ fence: Int64, in connection: MongoConnection) throws {
    let touched = try connection.updateOne(collection, own(fence), ["$inc": ["writes": 1]])
    guard touched.matched == 1 else { throw MigrationFailure.leaseLost }
  }

  func release(_ fence: Int64) async throws {
    let (collection, own) = (collection, own(fence))
    _ = try await database.run { connection in
      try connection.updateOne(
        collection, own,
        ["$set": ["expiresAt": .datetime(Timestamp(milliseconds: 0)), "holder": .null, "session": .null]])
    }
  }

  func currentHolder() async throws -> String {
    let collection = collection
    return try await database.run { try $0.findOne(collection, Self.filter)?.optionalString("holder") } ?? "unknown"
  }

  private func own(_ fence: Int64) -> BSONDocument {
    Self.filter.appending("holder", .string(holder)).appending("fence", .int64(fence))
  }

  private var expiry: BSONValue { ["$add": ["$$NOW", .int64(lease.wholeMilliseconds)]] }
}
