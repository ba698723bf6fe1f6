import Mongo

extension WalletMigrations {
  static let readsIndexes = indexes(
    "008_reads_indexes", "Payouts of an agency's network; balances of the past",
    [
      // An agency's payouts and those of its mediators.
      IndexSpec(
        Collections.payouts, ["agencyCode": 1, "beneficiaryKind": 1, "requestedAt": -1],
        partialFilter: ["agencyCode": ["$type": "string"]]),
      // The last row of a bucket before a moment. Any row tells what was available, so the index of statements finds
      // that; the other buckets may not have moved for years.
      IndexSpec(
        Collections.transactions, ["walletId": 1, "bucket": 1, "createdAt": -1],
        partialFilter: ["bucket": ["$in": ["locked", "pending"]]]),
    ])
}
