import Kernel
import Mongo
public import WalletDomain

extension MongoWalletStore {
  public func snapshot() async throws -> any LedgerSnapshot {
    try await MongoLedgerSnapshot.now(database)
  }
}

/// The books at one cluster time, read page by page with read concern `snapshot` outside of any transaction: writers
/// neither wait nor conflict, and no transaction's lifetime bounds the reader.
///
/// The server keeps that much history only for a while (`minSnapshotHistoryWindowInSeconds`, 300 by default).
struct MongoLedgerSnapshot: LedgerSnapshot {
  /// The server's code for history that is gone.
  private static let snapshotTooOld: Int32 = 239
  /// More than any page holds; it only keeps the server from cutting pages up.
  private static let batchMax: Int64 = 100_000

  private let database: MongoDatabase
  private let time: BSONValue

  static func now(_ database: MongoDatabase) async throws -> MongoLedgerSnapshot {
    let time = try await database.run { connection in
      let reply = try connection.command([
        "find": .string(Collections.writer), "limit": .int64(1), "singleBatch": true,
        "readConcern": ["level": "snapshot"],
      ])
      guard let time = try reply.document("cursor").value("atClusterTime") else {
        throw MongoFailure.malformedDocument("a snapshot without its time")
      }
      return time
    }
    return MongoLedgerSnapshot(database: database, time: time)
  }

  func wallets(after id: WalletID?, limit: Int) async throws -> [Wallet] {
    try await find(Collections.wallets, Self.after(id), sort: ["_id": 1], limit: limit, WalletDocument.wallet)
  }

  func rows(after lower: String, below upper: String?, limit: Int) async throws -> [LedgerRow] {
    var span: BSONDocument = ["$gt": .string(lower)]
    span.appendIfPresent("$lt", upper.map { .string($0) })
    return try await find(
      Collections.transactions, ["idempotencyKey": .document(span)], sort: ["idempotencyKey": 1], limit: limit,
      TransactionDocument.row)
  }

  /// In the order of the index of statements. Rows of no wallet stand before the first of them.
  func statements(from place: StatementPlace?, limit: Int) async throws -> [LedgerRow] {
    let first = place ?? StatementPlace(wallet: WalletID(known: String(repeating: "0", count: 24)), at: .farFuture)
    return try await find(
      Collections.transactions, [:], limit: limit,
      options: [
        "hint": ["walletId": 1, "createdAt": -1],
        "min": ["walletId": .id(first.wallet), "createdAt": .datetime(first.at)],
      ], TransactionDocument.row)
  }

  func heldAmounts(of wallets: [Wallet]) async throws -> [WalletID: Money] {
    try await amounts(
      Collections.holds, ["brandUserId": ["$in": .ids(Set(wallets.map(\.owner)))], "open": true])
  }

  func openPayoutAmounts(of wallets: [Wallet]) async throws -> [WalletID: Money] {
    let open = PayoutStatus.allCases.filter(\.isOpen).map(\.rawValue)
    return try await amounts(
      Collections.payouts,
      [
        "beneficiaryUserId": ["$in": .ids(Set(wallets.map(\.owner)))], "status": ["$in": .strings(open)],
        "deletedAt": .null,
      ])
  }

  func holdTotals() async throws -> HoldTotals {
    func whenOpen(_ value: BSONValue) -> BSONValue { ["$sum": ["$cond": ["$open", value, .int64(0)]]] }
    let found = try await aggregate(
      Collections.holds,
      [
        [
          "$group": [
            "_id": .null, "count": ["$sum": .int64(1)], "open": whenOpen("$amountPaise"),
            "promised": whenOpen(["$add": ["$commissionPaise", "$marginPaise"]]),
          ]
        ]
      ])
    guard let group = found.first else { return HoldTotals(count: 0, open: .zero, promised: .zero) }
    return HoldTotals(
      count: try group.int64("count"), open: try group.money("open"), promised: try group.money("promised"))
  }

  func payouts(after id: PayoutID?, limit: Int) async throws -> [Payout] {
    try await find(Collections.payouts, Self.after(id), sort: ["_id": 1], limit: limit, PayoutDocument.payout)
  }

  func rows(of payouts: [PayoutID]) async throws -> [LedgerRow] {
    try await find(
      Collections.transactions, ["payoutId": ["$in": .ids(payouts), "$type": "objectId"]], TransactionDocument.row)
  }

  // MARK: Reading at the snapshot's time

  private static func after<Subject>(_ id: ID<Subject>?) -> BSONDocument {
    id.map { ["_id": ["$gt": .id($0)]] } ?? [:]
  }

  private func amounts(_ collection: String, _ matching: BSONDocument) async throws -> [WalletID: Money] {
    let groups = try await aggregate(
      collection,
      [["$match": .document(matching)], ["$group": ["_id": "$walletId", "amount": ["$sum": "$amountPaise"]]]])
    var amounts: [WalletID: Money] = [:]
    for group in groups { amounts[try group.id("_id")] = try group.money("amount") }
    return amounts
  }

  private func find<Item: Sendable>(
    _ collection: String, _ filter: BSONDocument, sort: BSONDocument? = nil, limit: Int? = nil,
    options: BSONDocument = [:], _ item: @escaping @Sendable (BSONDocument) throws -> Item
  ) async throws -> [Item] {
    var command: BSONDocument = ["find": .string(collection), "filter": .document(filter), "singleBatch": true]
    command.appendIfPresent("sort", sort.map { .document($0) })
    command.appendIfPresent("limit", limit.map { .int64(Int64($0)) })
    command.append("batchSize", .int64(limit.map(Int64.init) ?? Self.batchMax))
    command.append(contentsOf: options)
    return try await read(command, item)
  }

  private func aggregate(_ collection: String, _ pipeline: [BSONDocument]) async throws -> [BSONDocument] {
    try await read(
      [
        "aggregate": .string(collection), "pipeline": .documents(pipeline),
        "cursor": ["batchSize": .int64(Self.batchMax)],
      ]) { $0 }
  }

  private func read<Item: Sendable>(
    _ command: BSONDocument, _ item: @escaping @Sendable (BSONDocument) throws -> Item
  ) async throws -> [Item] {
    let dated = command.appending("readConcern", ["level": "snapshot", "atClusterTime": time])
    do {
      return try await database.run { connection in
        let cursor = try connection.command(dated).document("cursor")
        return try cursor.documents("firstBatch").map(item)
      }
    } catch MongoFailure.other(Self.snapshotTooOld, _) {
      throw Failure(
        .serviceUnavailable,
        "the database no longer keeps this moment; raise minSnapshotHistoryWindowInSeconds for a ledger of this size",
        retriesExhausted: true)
    }
  }
}

extension Timestamp {
  /// Later than any row.
  fileprivate static let farFuture = Timestamp(milliseconds: 253_402_300_799_999)
}
