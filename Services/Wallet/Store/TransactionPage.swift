import Kernel
import Mongo
import WalletDomain

/// One page of ledger rows, newest first, then by id.
///
/// The indexes end in the time of creation, so asking the server for time *and* id would make it sort a wallet's whole
/// history for every page. Instead rows are read in the index's order, and only rows of the same millisecond, of which
/// there are at most as many as one batch writes, are sorted by id.
struct TransactionPage {
  private let matching: BSONDocument
  private let page: PageRequest

  init(_ matching: BSONDocument, _ page: PageRequest) {
    self.matching = matching
    self.page = page
  }

  /// One row more than the page holds, if there is one.
  func rows(_ connection: MongoConnection) throws -> [LedgerRow] {
    let wanted = page.size + 1
    var rows: [LedgerRow] = []
    if let after = page.after {
      rows = try instant(after.createdAt, idBelow: after.id, limit: wanted, connection)
    }
    guard rows.count < wanted else { return rows }

    var older = try find(below: page.after?.createdAt, limit: wanted - rows.count, connection)
    if older.count == wanted - rows.count, let last = older.last?.createdAt {
      // The limit may have cut through rows of one millisecond: read that one again, by id.
      older.removeAll { $0.createdAt == last }
      older.sort(by: Self.isNewer)
      rows += older
      return rows + (try instant(last, idBelow: nil, limit: wanted - rows.count, connection))
    }
    older.sort(by: Self.isNewer)
    return rows + older
  }

  private func find(below time: Timestamp?, limit: Int, _ connection: MongoConnection) throws -> [LedgerRow] {
    let narrowing: BSONDocument? = time.map { ["createdAt": ["$lt": .datetime($0)]] }
    return try rows(narrowing, ["createdAt": -1], limit, connection)
  }

  private func instant(
    _ time: Timestamp, idBelow id: String?, limit: Int, _ connection: MongoConnection
  ) throws -> [LedgerRow] {
    var narrowing: BSONDocument = ["createdAt": .datetime(time)]
    narrowing.appendIfPresent("_id", id.map { ["$lt": .objectID($0)] })
    return try rows(narrowing, ["_id": -1], limit, connection)
  }

  private func rows(
    _ narrowing: BSONDocument?, _ sort: BSONDocument, _ limit: Int, _ connection: MongoConnection
  ) throws -> [LedgerRow] {
    // Both may speak of `createdAt`: the filter's span and the cursor's place.
    let query: BSONDocument = narrowing.map { ["$and": .documents([matching, $0])] } ?? matching
    return try connection.find(Collections.transactions, query, sort: sort, limit: limit).map(TransactionDocument.row)
  }

  private static func isNewer(_ left: LedgerRow, _ right: LedgerRow) -> Bool {
    (left.createdAt, left.id) > (right.createdAt, right.id)
  }
}
