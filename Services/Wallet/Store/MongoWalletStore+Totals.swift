import Kernel
import Mongo
import Reliability
public import WalletDomain

extension MongoWalletStore {
  public func totals() async throws -> WalletTotals {
    try await database.run { connection in
      WalletTotals(
        wallets: try Self.wallets(connection), payouts: try Self.payouts(connection),
        openHolds: try Self.openHolds(connection))
    }
  }

  private static func wallets(_ connection: MongoConnection) throws -> [OwnerKind: WalletTotals.Wallets] {
    let groups = try connection.aggregate(
      Collections.wallets,
      [
        ["$match": ["deletedAt": .null]],
        [
          "$group": [
            "_id": "$ownerKind", "count": ["$sum": .int64(1)], "available": ["$sum": "$availablePaise"],
            "locked": ["$sum": "$lockedPaise"], "pending": ["$sum": "$pendingPaise"],
          ]
        ],
      ])
    var totals: [OwnerKind: WalletTotals.Wallets] = [:]
    for group in groups {
      totals[try group.choice("_id")] = WalletTotals.Wallets(
        count: try group.int64("count"),
        balances: Balances(
          available: try group.money("available"), locked: try group.money("locked"),
          pending: try group.money("pending")))
    }
    return totals
  }

  private static func payouts(_ connection: MongoConnection) throws -> [PayoutStatus: WalletTotals.Amounts] {
    let groups = try connection.aggregate(
      Collections.payouts,
      [
        ["$match": ["deletedAt": .null]],
        ["$group": ["_id": "$status", "count": ["$sum": .int64(1)], "amount": ["$sum": "$amountPaise"]]],
      ])
    var totals: [PayoutStatus: WalletTotals.Amounts] = [:]
    for group in groups { totals[try group.choice("_id")] = try amounts(group) }
    return totals
  }

  private static func openHolds(_ connection: MongoConnection) throws -> WalletTotals.Amounts {
    let group = try connection.aggregate(
      Collections.holds,
      [
        ["$match": ["open": true]],
        ["$group": ["_id": .null, "count": ["$sum": .int64(1)], "amount": ["$sum": "$amountPaise"]]],
      ]
    ).first
    return try group.map(amounts) ?? .none
  }

  private static func amounts(_ group: BSONDocument) throws -> WalletTotals.Amounts {
    WalletTotals.Amounts(count: try group.int64("count"), amount: try group.money("amount"))
  }

  public func append(_ record: AuditRecord) async throws {
    let entry = AuditEntry(record)
    // An aggregate of its own: it waits for nobody. The id makes a repetition after a lost reply the same entry.
    let id = TransactionID.generate(at: record.at).rawValue
    try await database.run { connection in
      try Outbox.append(
        [entry], aggregate: "export:\(id)", seq: 1, eventKey: "export/\(id)", now: record.at, in: connection)
    }
  }
}
