import Kernel
import Mongo

/// What a careful user of MongoDB would write: a transaction per transfer that looks its key up, moves the money with
/// two conditional updates in a fixed order, and inserts the two rows; tried again at once, with growing pauses, when
/// another transaction was in the way.
struct PlainTransfers: Sendable {
  private static let pauseMin = Duration.microseconds(500)
  private static let pauseMax = Duration.milliseconds(50)
  private static let attemptsMax = 10_000
  private static let campaign = CampaignID(known: "cccccccccccccccccccccccc")

  private struct Short: Error {}

  private let database: MongoDatabase

  init(_ database: MongoDatabase) {
    self.database = database
  }

  func transfer(_ transfer: Transfer) async throws -> Int {
    var pause = Self.pauseMin
    for attempt in 0..<Self.attemptsMax {
      do {
        try await database.transaction { try Self.move(transfer, $0) }
        return attempt
      } catch let failure as MongoFailure where failure.isTransient || failure == .unknownCommitResult {
        try await Task.sleep(for: pause * Double.random(in: 0...1))
        pause = min(pause * 2, Self.pauseMax)
      }
    }
    throw MongoFailure.writeConflict
  }

  private static func move(_ transfer: Transfer, _ connection: MongoConnection) throws {
    let now = SystemClock().now()
    let posting = "order-settle:\(transfer.order):1"
    guard try connection.findOne("transactions", ["idempotencyKey": .string("\(posting)#1")]) == nil else { return }
    // Always in the same order: no two transactions wait for each other's second wallet.
    var wallets: [UserID: BSONDocument] = [:]
    for owner in [transfer.owner, transfer.shopper].sorted() {
      let change = owner == transfer.owner ? -Transfer.amount.paise : Transfer.amount.paise
      var filter: BSONDocument = ["ownerUserId": .id(owner), "deletedAt": .null]
      if change < 0 { filter.append("availablePaise", ["$gte": .int64(-change)]) }
      wallets[owner] = try connection.findOneAndUpdate(
        "wallets", filter,
        ["$inc": ["availablePaise": .int64(change), "version": 1], "$set": ["updatedAt": .datetime(now)]])
    }
    guard let owner = wallets[transfer.owner], let shopper = wallets[transfer.shopper] else { throw Short() }
    var debit = try row(1, transfer, posting, owner, now, ("order_settlement_debit", "debit"))
    debit.append("fingerprint", .string(fingerprint(transfer)))
    debit.append("campaignId", .id(campaign))
    var credit = try row(2, transfer, posting, shopper, now, ("commission_settle", "credit"))
    credit.append("toUserId", .id(transfer.shopper))
    credit.append("metadata", ["leg": "buyer_commission"])
    try connection.insertMany("transactions", [debit, credit])
  }

  private static func fingerprint(_ transfer: Transfer) -> String {
    "order_settlement_debit:\(transfer.owner):\(transfer.shopper):\(transfer.owner):\(Transfer.amount.paise):0:0"
  }

  /// The fields that every row of a settlement has.
  private static func row(
    _ number: Int, _ transfer: Transfer, _ posting: String, _ wallet: BSONDocument, _ now: Timestamp,
    _ kind: (type: String, direction: String)
  ) throws -> BSONDocument {
    [
      "_id": .id(TransactionID.generate(at: now)), "idempotencyKey": .string("\(posting)#\(number)"),
      "postingId": .string(posting), "type": .string(kind.type), "status": "completed", "account": "wallet",
      "walletId": .objectID(try wallet.objectID("_id")), "ownerUserId": .objectID(try wallet.objectID("ownerUserId")),
      "bucket": "available", "balanceAfterPaise": .int64(try wallet.int64("availablePaise")),
      "walletVersionAfter": .int64(try wallet.int64("version")), "direction": .string(kind.direction),
      "amountPaise": .money(Transfer.amount), "memo": false, "orderId": .id(transfer.order),
      "fromUserId": .id(transfer.owner), "settlementSeq": .int32(1), "createdAt": .datetime(now),
      "updatedAt": .datetime(now),
    ]
  }
}
