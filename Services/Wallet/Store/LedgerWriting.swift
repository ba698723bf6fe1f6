import Kernel
import Mongo
import Reliability
import WalletDomain

/// Writes one batch inside a transaction. Every write is conditional; the first that does not count loses them all.
struct LedgerWriting {
  /// Never leaves the store.
  enum Lost: Error {
    case race
    case lease
  }

  let batch: LedgerBatch
  let documents: BatchDocuments
  let connection: MongoConnection

  init(_ batch: LedgerBatch, _ documents: BatchDocuments, _ connection: MongoConnection) {
    self.batch = batch
    self.documents = documents
    self.connection = connection
  }

  func write() throws {
    // First, so that of two processes one stops here.
    let (filter, update) = WriterDocument.advance(batch)
    guard try connection.updateOne(Collections.writer, filter, pipeline: update).matched == 1 else { throw Lost.lease }
    try writeWallets()
    try writeHolds()
    try writePayouts()
    try insert(Collections.transactions, documents.rows)
    try reverse()
    try insert(Collections.voidedPostings, batch.voided.map(VoidedPostingDocument.document))
    try storeRequests()
    try Outbox.append(
      messages: documents.messages, aggregate: "wallet", seq: batch.number, now: batch.at, in: connection)
  }

  /// Closes before it opens: an owner has at most one live wallet at any moment.
  private func writeWallets() throws {
    if let update = documents.walletUpdate {
      // The server reports only the sum of matches, which must be everyone.
      let matched = try connection.command(update).int64("n")
      guard matched == Int64(batch.updatedWallets.count) else { throw Lost.race }
    }
    try insert(Collections.wallets, batch.openedWallets.map(WalletDocument.document))
  }

  private func writePayouts() throws {
    try update(Collections.payouts, batch.updatedPayouts.map(PayoutDocument.update))
    try insert(Collections.payouts, batch.newPayouts.map(PayoutDocument.document))
  }

  /// The rows of a posting are one range of the key's index.
  private func reverse() throws {
    guard !batch.reversals.isEmpty else { return }
    let matched = try connection.update(
      Collections.transactions, batch.reversals.map { TransactionDocument.reversing($0.posting, at: batch.at) }
    ).matched
    guard matched == batch.reversals.reduce(0, { $0 + $1.rows }) else { throw Lost.race }
  }

  /// Closes before it opens: an order has at most one open hold at any moment.
  private func writeHolds() throws {
    try update(Collections.holds, batch.closedHolds.map(HoldDocument.closing))
    try insert(Collections.holds, batch.newHolds.map(HoldDocument.document))
  }

  private func insert(_ collection: String, _ documents: [BSONDocument]) throws {
    guard !documents.isEmpty else { return }
    try connection.insertMany(collection, documents)
  }

  /// One command for all: the server reports only the sum of matches, which must be everyone.
  private func update(_ collection: String, _ statements: [UpdateStatement]) throws {
    guard !statements.isEmpty else { return }
    guard try connection.update(collection, statements).matched == statements.count else { throw Lost.race }
  }
}

extension LedgerBatch {
  /// For a batch that may have been committed: it is there as a whole or not at all, so one of its documents answers.
  func isThere(_ connection: MongoConnection) throws -> Bool {
    if let row = rows.first {
      return try connection.findOne(Collections.transactions, ["_id": .id(row.id)], projection: ["_id": 1]) != nil
    }
    if let wallet = openedWallets.first {
      return try connection.findOne(Collections.wallets, ["_id": .id(wallet.id)], projection: ["_id": 1]) != nil
    }
    // What is left are closed numbers and refusals: whoever wrote them, they say the same.
    if let voided = voided.first {
      return try connection.findOne(Collections.voidedPostings, ["key": .string(voided.key.text)]) != nil
    }
    if let hold = newHolds.first {
      let mine: BSONDocument = [
        "orderId": .id(hold.number.order), "seq": .int32(hold.number.seq), "open": .bool(hold.isOpen),
      ]
      return try connection.findOne(Collections.holds, mine) != nil
    }
    // And states without money: the first writer of a version stays its only one.
    if let payout = newPayouts.first ?? updatedPayouts.first?.payout {
      let mine: BSONDocument = [
        "_id": .id(payout.id), "version": ["$gte": .int64(payout.version)], "updatedAt": .datetime(payout.updatedAt),
      ]
      return try connection.findOne(Collections.payouts, mine, projection: ["_id": 1]) != nil
    }
    guard let wallet = updatedWallets.first?.wallet else { return false }
    return try connection.findOne(
      Collections.wallets, ["_id": .id(wallet.id), "deletedAt": .optional(wallet.closedAt)], projection: ["_id": 1])
      != nil
  }
}
