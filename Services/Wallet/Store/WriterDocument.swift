import Kernel
import Mongo
import WalletDomain

/// `writer`: one document that every batch writes first, so that two processes never commit on the same books.
enum WriterDocument {
  static let key: BSONDocument = ["_id": "writer"]

  /// Counts only if no other batch has been committed since the ledger was loaded.
  ///
  /// Puts the session on record again: somebody may have taken over for a moment, and the next to take over must end
  /// the session of whoever still writes.
  static func advance(
    _ batch: LedgerBatch, session: BSONDocument
  ) -> (filter: BSONDocument, update: BSONDocument) {
    step(to: batch.number, as: batch.id, ["session": .document(session)])
  }

  /// Takes the batch's number without writing anything else: its commit can no longer succeed.
  static func cancel(_ batch: LedgerBatch) -> (filter: BSONDocument, update: BSONDocument) {
    step(to: batch.number, as: cancelled(batch))
  }

  static func cancelled(_ batch: LedgerBatch) -> String { "cancelled \(batch.id)" }

  private static func step(
    to number: Int64, as id: String, _ further: BSONDocument = [:]
  ) -> (filter: BSONDocument, update: BSONDocument) {
    var values: BSONDocument = ["batch": .int64(number), "lastBatch": .string(id)]
    values.append(contentsOf: further)
    return (key.appending("batch", .int64(number - 1)), ["$set": .document(values)])
  }
}
