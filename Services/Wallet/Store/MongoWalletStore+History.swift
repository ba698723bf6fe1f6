public import Kernel
import Mongo
public import WalletDomain

extension MongoWalletStore {
  public func balances(of wallet: WalletID, at moment: Timestamp) async throws -> PastBalances {
    try await database.run { connection in
      let past = PastEntries(wallet: wallet, moment: moment, connection: connection)
      guard let newest = try past.last() else { return PastBalances(balances: .zero, version: 0) }
      let locked = try past.last(in: .locked)
      let pending = try past.last(in: .pending)
      return PastBalances(
        balances: Balances(
          available: try past.available(after: newest), locked: locked?.balanceAfter ?? .zero,
          pending: pending?.balanceAfter ?? .zero),
        version: [newest, locked, pending].compactMap { $0?.versionAfter }.max() ?? 0)
    }
  }
}

/// What the rows of a wallet say of a moment: each look begins at the newest by then.
private struct PastEntries {
  let wallet: WalletID
  let moment: Timestamp
  let connection: MongoConnection

  /// The newest entry by then, in the bucket or at all.
  func last(in bucket: Bucket? = nil) throws -> LedgerRow.WalletEntry? {
    // Records of payments made elsewhere have no version: they left the balance alone.
    var rows: BSONDocument = ["walletId": .id(wallet), "walletVersionAfter": ["$gt": .int64(0)]]
    if let bucket { rows.append("bucket", .string(bucket.rawValue)) }
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

  /// Legs of the other buckets say what was available too: a brand may settle thousands of orders from locked money
  /// before its available money moves. Those that are older than that have to be passed over.
  func available(after newest: LedgerRow.WalletEntry) throws -> Money {
    if newest.bucket == .available { return newest.balanceAfter ?? .zero }
    if let available = newest.availableAfter { return available }
    return try last(in: .available)?.balanceAfter ?? .zero
  }
}
