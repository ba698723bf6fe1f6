import Kernel
import Mongo
import WalletDomain

/// `writer`: one document that is lease and fence in one. Every batch writes it first, so that two processes never
/// commit on the same books, and whoever has lost the lease commits nothing.
///
/// Times are the database's (`$$NOW`): no process's clock decides who holds the lease.
enum WriterDocument {
  static let key: BSONDocument = ["_id": "writer"]

  /// Before there was any lease: one that has run out. Batches may have been committed without.
  static let first: [BSONDocument] = [
    [
      "$set": [
        "holder": ["$ifNull": ["$holder", ""]], "token": ["$ifNull": ["$token", 0]],
        "batch": ["$ifNull": ["$batch", 0]], "lastBatch": ["$ifNull": ["$lastBatch", ""]],
        "expiresAt": ["$ifNull": ["$expiresAt", .datetime(Timestamp(milliseconds: 0))]],
      ]
    ]
  ]

  /// Whoever holds the lease, with the milliseconds that are left of it.
  static let reading: BSONDocument = [
    "holder": 1, "token": 1, "session": 1, "left": ["$subtract": ["$expiresAt", "$$NOW"]],
  ]

  // MARK: The lease

  /// Counts only if nobody has taken the lease since it was looked at, and it may be taken.
  static func claim(
    _ holder: String, after token: Int64, session: BSONDocument
  ) -> (filter: BSONDocument, update: [BSONDocument]) {
    let isFree: BSONDocument = ["$expr": ["$lte": ["$expiresAt", "$$NOW"]]]
    let isOwn: BSONDocument = ["holder": .string(holder)]
    var filter = key.appending("token", .int64(token))
    filter.append("$or", .documents([isFree, isOwn]))
    let values: BSONDocument = [
      "holder": ["$literal": .string(holder)], "token": .int64(token + 1), "session": .document(session),
      "expiresAt": inALease,
    ]
    return (filter, [["$set": .document(values)]])
  }

  static func renewal(_ term: WriterTerm) -> (filter: BSONDocument, update: [BSONDocument]) {
    (held(term.token), [["$set": ["expiresAt": inALease]]])
  }

  static func release(_ term: WriterTerm) -> (filter: BSONDocument, update: [BSONDocument]) {
    (held(term.token), [["$set": ["expiresAt": "$$NOW"]]])
  }

  // MARK: Batches

  /// Counts only if the lease is held under the batch's token, and no other batch has been committed since.
  static func advance(_ batch: LedgerBatch) -> (filter: BSONDocument, update: [BSONDocument]) {
    step(batch, as: batch.id)
  }

  /// Takes the batch's number without writing anything else: its commit can no longer succeed.
  static func cancel(_ batch: LedgerBatch) -> (filter: BSONDocument, update: [BSONDocument]) {
    step(batch, as: cancelled(batch))
  }

  static func cancelled(_ batch: LedgerBatch) -> String { "cancelled \(batch.id)" }

  private static func step(
    _ batch: LedgerBatch, as id: String
  ) -> (filter: BSONDocument, update: [BSONDocument]) {
    (
      held(batch.token).appending("batch", .int64(batch.number - 1)),
      [
        [
          "$set": [
            "batch": .int64(batch.number), "lastBatch": .string(id), "at": .datetime(batch.at), "expiresAt": inALease,
          ]
        ]
      ]
    )
  }

  private static func held(_ token: Int64) -> BSONDocument { key.appending("token", .int64(token)) }

  private static let inALease: BSONValue = [
    "$add": ["$$NOW", .int64(Int64(WriterTerm.lease / .milliseconds(1)))]
  ]
}
