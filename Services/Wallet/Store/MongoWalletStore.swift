public import Kernel
public import Mongo
public import WalletDomain

/// The committed books, for readers.
public struct MongoWalletStore: WalletStore {
  let database: MongoDatabase
  /// Joined under load.
  private let walletsByOwner: DocumentLoader
  private let walletsByID: DocumentLoader

  public init(_ database: MongoDatabase) {
    self.database = database
    walletsByOwner = DocumentLoader(
      database, Collections.wallets, by: "ownerUserId", where: ["deletedAt": .null])
    walletsByID = DocumentLoader(database, Collections.wallets, where: ["deletedAt": .null])
  }

  public func wallet(of owner: UserID) async throws -> Wallet? {
    try await walletsByOwner.document(.id(owner)).map(WalletDocument.wallet)
  }

  public func wallet(_ id: WalletID) async throws -> Wallet? {
    try await walletsByID.document(.id(id)).map(WalletDocument.wallet)
  }

  public func transactions(_ filter: TransactionFilter, _ page: PageRequest) async throws -> Page<LedgerRow> {
    try await database.run { connection in
      guard let matching = try Self.query(filter, connection) else {
        return Page(items: [], next: nil, total: page.includeTotal ? 0 : nil)
      }
      return try DatedPage.transactions.page(matching, page, connection)
    }
  }

  /// Nil when nothing can match: an owner without a wallet.
  private static func query(_ filter: TransactionFilter, _ connection: MongoConnection) throws -> BSONDocument? {
    var query: BSONDocument = [:]
    if filter.owner != nil || filter.wallet != nil {
      guard let wallets = try walletIDs(filter, connection) else { return nil }
      query.append("walletId", ["$in": .ids(wallets)])
    }
    query.appendIfPresent("orderId", filter.order.map(linked))
    query.appendIfPresent("payoutId", filter.payout.map(linked))
    if query.isEmpty {
      // Spelt out, so that the index of staff's list delivers the rows in order.
      let types = filter.type.map { [$0] } ?? TransactionType.allCases
      query.append("status", ["$in": .strings(TransactionStatus.allCases.map(\.rawValue))])
      query.append("type", ["$in": .strings(types.map(\.rawValue))])
    } else {
      query.appendIfPresent("type", filter.type.map { .string($0.rawValue) })
    }
    query.appendIfPresent("createdAt", span(from: filter.from, to: filter.to))
    if !filter.includesMemo { query.append("memo", false) }
    return query
  }

  static func span(from: Timestamp?, to: Timestamp?) -> BSONValue? {
    var span: BSONDocument = [:]
    span.appendIfPresent("$gte", from.map { .datetime($0) })
    span.appendIfPresent("$lt", to.map { .datetime($0) })
    return span.isEmpty ? nil : .document(span)
  }

  /// The owner's wallets, closed ones too; nil when the filters exclude each other.
  private static func walletIDs(_ filter: TransactionFilter, _ connection: MongoConnection) throws -> [WalletID]? {
    guard let owner = filter.owner else { return filter.wallet.map { [$0] } }
    // Two cases, each with an index of its own: owners are indexed among live wallets only.
    let live: BSONDocument = ["ownerUserId": .id(owner), "deletedAt": .null]
    let closed: BSONDocument = ["ownerUserId": .id(owner), "deletedAt": ["$type": "date"]]
    var query: BSONDocument = ["$or": .documents([live, closed])]
    query.appendIfPresent("_id", filter.wallet.map { .id($0) })
    let found = try connection.find(Collections.wallets, query, projection: ["_id": 1])
    let ids: [WalletID] = try found.map { try $0.id("_id") }
    return ids.isEmpty ? nil : ids
  }

  /// A partial index on `$type` serves a query only if it says so itself.
  private static func linked<Subject>(_ id: ID<Subject>) -> BSONValue {
    ["$eq": .id(id), "$type": "objectId"]
  }
}
