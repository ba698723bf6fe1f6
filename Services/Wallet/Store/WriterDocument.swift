import Kernel
import Mongo
import WalletDomain

/// `writer`: one document that every batch writes first, so that two processes never commit on the same books.
enum WriterDocument {
  static let key: BSONDocument = ["_id": "writer"]

  /// Counts only if no other batch has been committed since the ledger was loaded.
  static func advance(_ batch: LedgerBatch) -> (filter: BSONDocument, update: BSONDocument) {
    step(to: batch.number, as: batch.id)
  }

  /// Takes the batch's number without writing anything else: its commit can no longer succeed.
  static func cancel(_ batch: LedgerBatch) -> (filter: BSONDocument, update: BSONDocument) {
    step(to: batch.number, as: cancelled(batch))
  }

  static func cancelled(_ batch: LedgerBatch) -> String { "cancelled \(batch.id)" }

  private static func step(to number: Int64, as id: String) -> (filter: BSONDocument, update: BSONDocument) {
    (
      key.appending("batch", .int64(number - 1)),
      ["$set": ["batch": .int64(number), "lastBatch": .string(id)]]
    )
  }
}
