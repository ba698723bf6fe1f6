import Mongo

extension WalletMigrations {
  static let payoutsIndexes = indexes(
    "004_payouts_indexes", "Payouts by reference, state and beneficiary",
    [
      // No provider's reference twice.
      IndexSpec(
        Collections.payouts, ["provider": 1, "providerRef": 1], unique: true,
        partialFilter: ["deletedAt": .null, "provider": ["$type": "string"], "providerRef": ["$type": "string"]]),
      // Repeated requests.
      IndexSpec(
        Collections.payouts, ["requestKey": 1], unique: true, partialFilter: ["requestKey": ["$type": "string"]]),
      // The queue.
      IndexSpec(Collections.payouts, ["status": 1, "requestedAt": -1]),
      // A beneficiary's payouts.
      IndexSpec(Collections.payouts, ["beneficiaryUserId": 1, "requestedAt": -1]),
      // Before a wallet is closed.
      IndexSpec(Collections.payouts, ["walletId": 1]),
      // The list of staff.
      IndexSpec(Collections.payouts, ["deletedAt": 1, "requestedAt": -1]),
    ])
}
