import Mongo

extension WalletMigrations {
  static let walletsIndexes = indexes(
    "001_wallets_indexes", "Wallets by owner",
    [
      // Look-up, and one live wallet per owner however many are opened at once.
      IndexSpec(Collections.wallets, ["ownerUserId": 1], unique: true, partialFilter: ["deletedAt": .null]),
      // Reconciliation.
      IndexSpec(Collections.wallets, ["deletedAt": 1, "createdAt": -1]),
    ])
}
