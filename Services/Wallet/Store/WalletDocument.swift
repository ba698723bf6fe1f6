import Kernel
import Mongo
import WalletDomain

/// `wallets`: one live document per owner.
enum WalletDocument {
  /// Whoever opens and changes wallets is in the audit log, leg by leg; here it is always the ledger.
  private static let writer = BSONValue.string("SYSTEM")

  static func document(_ wallet: Wallet) -> BSONDocument {
    [
      "_id": .id(wallet.id), "ownerUserId": .id(wallet.owner), "ownerKind": .string(wallet.kind.rawValue),
      "currency": "INR", "availablePaise": .money(wallet.balances.available),
      "pendingPaise": .money(wallet.balances.pending), "lockedPaise": .money(wallet.balances.locked),
      "version": .int64(wallet.version), "deletedAt": .optional(wallet.closedAt),
      "deletedBy": .optional(wallet.closedBy), "createdBy": writer, "updatedBy": writer,
      "createdAt": .datetime(wallet.createdAt), "updatedAt": .datetime(wallet.updatedAt),
    ]
  }

  /// Counts, for each of the wallets, only if nobody has touched it since it was read, which implies the balances that
  /// were checked.
  ///
  /// One statement for many, which the server plans once: every wallet finds its version and its new values in lists,
  /// at the place that its id has among the ids. A statement for each costs more, and so do longer lists, since each
  /// wallet looks for its place (measured: 18 µs per wallet in statements of their own, 14 in lists of 64, 17 of 400).
  static func update(_ updates: [LedgerBatch.WalletUpdate]) -> BSONDocument {
    let statements = stride(from: 0, to: updates.count, by: statementMax).map {
      statement(updates[$0..<min($0 + statementMax, updates.count)])
    }
    return ["update": .string(Collections.wallets), "updates": .documents(statements)]
  }

  private static let statementMax = 64

  private static func statement(_ updates: ArraySlice<LedgerBatch.WalletUpdate>) -> BSONDocument {
    let ids = BSONValue.ids(updates.map(\.wallet.id))
    let place: BSONValue = ["$indexOfArray": [["$literal": ids], "$_id"]]
    func own(_ values: [BSONValue]) -> BSONValue {
      ["$arrayElemAt": [["$literal": .array(values)], place]]
    }
    let version = own(updates.map { .int64($0.versionBefore) })
    let values = own(updates.map { .document(changes($0.wallet)) })
    let filter: BSONDocument = [
      "_id": ["$in": ids], "deletedAt": .null, "$expr": ["$eq": ["$version", version]],
    ]
    return [
      "q": .document(filter), "u": [["$replaceWith": ["$mergeObjects": ["$$ROOT", values]]]], "multi": true,
      "hint": ["_id": 1],
    ]
  }

  private static func changes(_ wallet: Wallet) -> BSONDocument {
    var fields: BSONDocument = [
      "availablePaise": .money(wallet.balances.available), "pendingPaise": .money(wallet.balances.pending),
      "lockedPaise": .money(wallet.balances.locked), "version": .int64(wallet.version),
      "updatedAt": .datetime(wallet.updatedAt),
    ]
    if let closedAt = wallet.closedAt {
      fields.append("deletedAt", .datetime(closedAt))
      fields.append("deletedBy", .optional(wallet.closedBy))
    }
    return fields
  }

  static func wallet(_ document: BSONDocument) throws -> Wallet {
    Wallet(
      id: try document.id("_id"), owner: try document.id("ownerUserId"), kind: try document.choice("ownerKind"),
      balances: Balances(
        available: try document.money("availablePaise"), locked: try document.money("lockedPaise"),
        pending: try document.money("pendingPaise")),
      version: try document.int64("version"), createdAt: try document.datetime("createdAt"),
      updatedAt: try document.datetime("updatedAt"), closedAt: try document.optionalDatetime("deletedAt"),
      closedBy: try document.optionalString("deletedBy"))
  }
}
