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

  /// Counts only if nobody has touched the wallet since it was read, which implies the balances that were checked.
  static func update(_ update: LedgerBatch.WalletUpdate) -> UpdateStatement {
    let wallet = update.wallet
    var fields: BSONDocument = [
      "availablePaise": .money(wallet.balances.available), "pendingPaise": .money(wallet.balances.pending),
      "lockedPaise": .money(wallet.balances.locked), "version": .int64(wallet.version),
      "updatedAt": .datetime(wallet.updatedAt),
    ]
    if let closedAt = wallet.closedAt {
      fields.append("deletedAt", .datetime(closedAt))
      fields.append("deletedBy", .optional(wallet.closedBy))
    }
    return UpdateStatement(
      ["_id": .id(wallet.id), "version": .int64(update.versionBefore), "deletedAt": .null],
      ["$set": .document(fields)])
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
