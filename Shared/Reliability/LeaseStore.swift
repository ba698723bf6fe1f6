import Kernel
import Mongo

/// The documents of one lease: who holds it, and the fence that its holders write under.
///
/// They are two, so that renewals, which come all the time, never conflict with the transactions of the holder, and
/// taking over never waits for a transaction that a paused holder has left open.
struct LeaseStore: Sendable {
  static let collection = "leases"

  let database: MongoDatabase
  let name: String
  let holder: String
  let term: Duration

  /// Takes the lease if it is free, or ours under whatever token, and tells who has it then. All times are the
  /// server's (`$$NOW`).
  func take() async throws -> LeaseDocument {
    let isFree: BSONDocument = [
      "$or": [
        ["$lte": [["$ifNull": ["$expiresAt", "$$NOW"]], "$$NOW"]], ["$eq": ["$holder", Self.literal(holder)]],
      ]
    ]
    func ifFree(_ value: BSONValue, else other: BSONValue) -> BSONValue {
      ["$cond": [.document(isFree), value, other]]
    }
    let change: BSONDocument = [
      "$set": [
        "holder": ifFree(Self.literal(holder), else: "$holder"),
        "token": ifFree(["$add": [["$ifNull": ["$token", 0]], 1]], else: "$token"),
        "expiresAt": ifFree(expiry, else: "$expiresAt"),
        "previous": ifFree(["$ifNull": ["$holder", .null]], else: "$previous"),
      ]
    ]
    let found = try await database.run { connection in
      try connection.findOneAndUpdate(
        Self.collection, ["_id": .string(name)], pipeline: [change],
        projection: [
          "holder": 1, "token": 1, "previous": 1, "remaining": ["$subtract": ["$expiresAt", "$$NOW"]],
        ], upsert: true)
    }
    guard let found else { throw MongoFailure.malformedDocument("a lease that was just written is not there") }
    return try LeaseDocument(found)
  }

  /// False if the lease is no longer ours under this token.
  func renew(_ token: Int64) async throws -> Bool {
    try await database.run { connection in
      try connection.updateOne(Self.collection, ours(token), pipeline: [["$set": ["expiresAt": expiry]]]).matched == 1
    }
  }

  /// Free for others at once. The token stays, so that the next one is larger.
  func giveBack(_ token: Int64) async throws {
    _ = try await database.run { connection in
      try connection.updateOne(
        Self.collection, ours(token), pipeline: [["$set": ["expiresAt": "$$NOW", "holder": .null]]])
    }
  }

  /// No transaction under a smaller token commits any more when this returns.
  func raiseFence(to token: Int64) async throws {
    do {
      _ = try await database.run { connection in
        try connection.updateOne(
          Self.collection, ["_id": .string(fenceID), "token": ["$lte": .int64(token)]],
          ["$set": ["token": .int64(token)], "$inc": ["writes": 1]], upsert: true)
      }
    } catch MongoFailure.duplicateKey {
      // There is a fence, and it is above ours.
      throw LeaseLost()
    }
  }

  /// A write that changes the document, because one that does not would not conflict with anybody's.
  func writeFence(_ token: Int64, _ connection: MongoConnection) throws {
    let written = try connection.updateOne(
      Self.collection, ["_id": .string(fenceID), "token": .int64(token)], ["$inc": ["writes": 1]])
    guard written.matched == 1 else { throw LeaseLost() }
  }

  private var fenceID: String { "\(name)/fence" }

  private var expiry: BSONValue {
    ["$add": ["$$NOW", .int64(term.components.seconds * 1_000 + term.components.attoseconds / 1_000_000_000_000_000)]]
  }

  private func ours(_ token: Int64) -> BSONDocument {
    ["_id": .string(name), "holder": .string(holder), "token": .int64(token)]
  }

  /// Text that a pipeline does not read as a field.
  private static func literal(_ text: String) -> BSONValue { ["$literal": .string(text)] }
}

/// A lease as it was found, or as it was left by taking it.
struct LeaseDocument: Hashable, Sendable {
  /// Nil when it was given back.
  let holder: String?
  let token: Int64
  /// Who had it when the holder got it; nil if it had been given back.
  let previous: String?
  /// Until it expires, by the server's clock.
  let remaining: Duration
}

extension LeaseDocument {
  init(_ document: BSONDocument) throws(MongoFailure) {
    holder = try document.optionalString("holder")
    token = try document.int64("token")
    previous = try document.optionalString("previous")
    remaining = .milliseconds(try document.int64("remaining"))
  }
}
