public import Kernel
import Mongo
public import WalletDomain

extension MongoWalletStore {
  /// One look per bucket: the newest row of the bucket says what was in it.
  public func balances(of wallet: WalletID, at moment: Timestamp) async throws -> PastBalances {
    try await database.run { connection in
      var balances = Balances.zero
      var version: Int64 = 0
      for bucket in Bucket.allCases {
        guard let last = try Self.lastEntry(of: bucket, in: wallet, at: moment, connection) else { continue }
        let after = last.balanceAfter ?? .zero
        switch bucket {
        case .available: balances = Balances(available: after, locked: balances.locked, pending: balances.pending)
        case .locked: balances = Balances(available: balances.available, locked: after, pending: balances.pending)
        case .pending: balances = Balances(available: balances.available, locked: balances.locked, pending: after)
        }
        version = max(version, last.versionAfter ?? 0)
      }
      return PastBalances(balances: balances, version: version)
    }
  }

  private static func lastEntry(
    of bucket: Bucket, in wallet: WalletID, at moment: Timestamp, _ connection: MongoConnection
  ) throws -> LedgerRow.WalletEntry? {
    // Records of payments made elsewhere have no version: they left the balance alone.
    let rows: BSONDocument = [
      "walletId": .id(wallet), "bucket": .string(bucket.rawValue), "walletVersionAfter": ["$gt": .int64(0)],
    ]
    guard
      let newest = try connection.findOne(
        Collections.transactions, rows.appending("createdAt", ["$lte": .datetime(moment)]), sort: ["createdAt": -1],
        projection: ["createdAt": 1])
    else { return nil }
    // Postings of one batch share their millisecond; their versions tell which was the last.
    let instant = try connection.find(
      Collections.transactions, rows.appending("createdAt", .datetime(try newest.datetime("createdAt")))
    ).map(TransactionDocument.row)
    let last = instant.max { left, right in
      (left.walletEntry?.versionAfter ?? 0, left.number) < (right.walletEntry?.versionAfter ?? 0, right.number)
    }
    return last?.walletEntry
  }
}
