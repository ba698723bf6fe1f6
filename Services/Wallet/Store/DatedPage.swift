import Kernel
import Mongo
import WalletDomain

/// One page of a list, newest first, then by id.
///
/// The indexes end in a time, so asking the server for time *and* id would make it sort a wallet's whole history for
/// every page. Instead documents are read in the index's order, and only those of the same millisecond, of which there
/// are at most as many as one batch writes, are sorted by id.
struct DatedPage<Item: Sendable> {
  let collection: String
  /// The field that the list is ordered by.
  let time: String
  let item: (BSONDocument) throws -> Item
  /// The item's place in the list.
  let place: (Item) -> Cursor

  func page(
    _ matching: BSONDocument, _ page: PageRequest, _ connection: MongoConnection
  ) throws -> Page<Item> {
    var items = try self.items(matching, page, connection)
    let hasMore = items.count > page.size
    items.removeLast(hasMore ? items.count - page.size : 0)
    let total = page.includeTotal ? try connection.count(collection, matching, limit: PageLimits.totalMax) : nil
    return Page(items: items, next: hasMore ? items.last.map(place) : nil, total: total)
  }

  /// One item more than the page holds, if there is one.
  private func items(
    _ matching: BSONDocument, _ page: PageRequest, _ connection: MongoConnection
  ) throws -> [Item] {
    let wanted = page.size + 1
    var items: [Item] = []
    if let after = page.after {
      items = try instant(matching, after.createdAt, idBelow: after.id, limit: wanted, connection)
    }
    guard items.count < wanted else { return items }

    let narrowing: BSONDocument? = page.after.map { after in
      BSONDocument([(time, ["$lt": .datetime(after.createdAt)])])
    }
    let limit = wanted - items.count
    var older = try find(matching, narrowing, BSONDocument([(time, -1)]), limit, connection)
    if older.count == limit, let last = older.last.map({ place($0).createdAt }) {
      // The limit may have cut through items of one millisecond: read that one again, by id.
      older.removeAll { place($0).createdAt == last }
      older.sort(by: isNewer)
      items += older
      return items + (try instant(matching, last, idBelow: nil, limit: wanted - items.count, connection))
    }
    older.sort(by: isNewer)
    return items + older
  }

  private func instant(
    _ matching: BSONDocument, _ moment: Timestamp, idBelow id: ObjectID?, limit: Int, _ connection: MongoConnection
  ) throws -> [Item] {
    var narrowing = BSONDocument([(time, .datetime(moment))])
    narrowing.appendIfPresent("_id", id.map { ["$lt": .objectID($0)] })
    return try find(matching, narrowing, ["_id": -1], limit, connection)
  }

  private func find(
    _ matching: BSONDocument, _ narrowing: BSONDocument?, _ sort: BSONDocument, _ limit: Int,
    _ connection: MongoConnection
  ) throws -> [Item] {
    // Both may speak of the time: the filter's span and the cursor's place.
    let query: BSONDocument = narrowing.map { ["$and": .documents([matching, $0])] } ?? matching
    return try connection.find(collection, query, sort: sort, limit: limit).map(item)
  }

  private func isNewer(_ left: Item, _ right: Item) -> Bool {
    let (left, right) = (place(left), place(right))
    return (left.createdAt, left.id) > (right.createdAt, right.id)
  }
}

extension DatedPage<LedgerRow> {
  static var transactions: DatedPage {
    DatedPage(
      collection: Collections.transactions, time: "createdAt", item: TransactionDocument.row,
      place: { Cursor(createdAt: $0.createdAt, id: $0.id.value) })
  }
}

extension DatedPage<Payout> {
  static var payouts: DatedPage {
    DatedPage(
      collection: Collections.payouts, time: "requestedAt", item: PayoutDocument.payout,
      place: { Cursor(createdAt: $0.requestedAt, id: $0.id.value) })
  }
}
