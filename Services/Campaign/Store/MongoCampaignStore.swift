public import CampaignDomain
public import Kernel
public import Mongo
import Reliability

/// Campaigns in MongoDB. Slot changes are in `MongoCampaignStore+Slots.swift`.
public struct MongoCampaignStore: CampaignStore {
  let database: MongoDatabase
  /// Reads of single documents, joined under load.
  private let dealsByID: DocumentLoader
  private let campaignsByID: DocumentLoader
  let turns = CampaignTurns()
  /// Called after a commit that put something into the outbox.
  let wakeOutbox: @Sendable () -> Void

  public init(_ database: MongoDatabase, wakeOutbox: @escaping @Sendable () -> Void = {}) {
    self.database = database
    self.wakeOutbox = wakeOutbox
    dealsByID = DocumentLoader(database, Deal.collection)
    campaignsByID = DocumentLoader(database, Campaign.collection)
  }

  public func products(_ query: ProductQuery) async throws -> Page<Product> {
    let live = query.liveFilter
    return try await database.run { connection in
      // One row more than asked for tells whether there is a next page.
      let found = try connection.find(
        Deal.collection, query.pageFilter, sort: ["createdAt": -1, "_id": -1], limit: query.page.size + 1)
      let total =
        query.page.includeTotal
        ? try connection.count(Deal.collection, live, limit: PageLimits.totalMax) : nil
      let deals = try found.prefix(query.page.size).map { try Deal($0) }
      let next = found.count > deals.count ? deals.last?.cursor : nil
      return Page(items: try Self.products(deals, query, connection), next: next, total: total)
    }
  }

  public func offer(_ deal: DealID, mediator: PartyCode, agency: PartyCode) async throws -> DealOffer? {
    guard let deal = try await dealsByID.document(.id(deal)).map({ try Deal($0) }) else { return nil }
    let campaign = try await campaignsByID.document(.id(deal.campaignID)).map { try Campaign($0) }
    let assignments = try await database.run { connection in
      try Self.assignments(of: [mediator, agency], in: [deal.campaignID], connection)
    }
    return DealOffer(deal: deal, campaign: campaign, assignments: assignments)
  }

  public func reservation(of order: OrderID) async throws -> Reservation? {
    try await database.run { try Self.reservation(of: order, $0) }
  }

  static func reservation(of order: OrderID, _ connection: MongoConnection) throws -> Reservation? {
    try connection.findOne(Reservation.collection, ["orderId": .id(order)]).map { try Reservation($0) }
  }

  public func heldReservations(before moment: Timestamp, page: PageRequest) async throws -> Page<Reservation> {
    var fields: [(String, BSONValue)] = [("state", .string(Reservation.State.held.rawValue))]
    if let after = page.after {
      let next: [BSONValue] = [
        ["createdAt": ["$gt": .datetime(after.createdAt)]], ["_id": ["$gt": .objectID(after.id)]],
      ]
      // The range for the index, the disjunction for reservations of one millisecond.
      fields.append(("createdAt", ["$gte": .datetime(after.createdAt), "$lt": .datetime(moment)]))
      fields.append(("$or", .array(next)))
    } else {
      fields.append(("createdAt", ["$lt": .datetime(moment)]))
    }
    let filter = BSONDocument(fields)
    return try await database.run { connection in
      // One row more than asked for tells whether there is a next page.
      let found = try connection.find(
        Reservation.collection, filter, sort: ["createdAt": 1, "_id": 1], limit: page.size + 1,
        // Among few reservations the planner may take another index for as good, and keep it when there are many.
        options: ["hint": .string(Reservation.heldIndex)])
      let items = try found.prefix(page.size).map { try Reservation($0) }
      let last = found.count > items.count ? items.last : nil
      return Page(
        items: items, next: last.map { Cursor(createdAt: $0.createdAt, id: $0.id.value) }, total: nil)
    }
  }

  static func assignments(
    of codes: [PartyCode], in campaigns: [CampaignID], _ connection: MongoConnection
  ) throws -> [Assignment] {
    try connection.find(
      Assignment.collection,
      [
        "code": ["$in": .strings(codes.map(\.rawValue))],
        "campaignId": ["$in": .ids(campaigns)],
      ]
    ).map { try Assignment($0) }
  }

  /// Joins a page of deals with the counters of their campaigns: two reads, however many deals there are.
  private static func products(
    _ deals: [Deal], _ query: ProductQuery, _ connection: MongoConnection
  ) throws -> [Product] {
    guard !deals.isEmpty else { return [] }
    let ids = Array(Set(deals.map(\.campaignID)))
    let found = try connection.find(Campaign.collection, ["_id": ["$in": .ids(ids)]])
    let campaigns = Dictionary(
      try found.map { try Campaign($0) }.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    let codes = [query.mediatorCode] + (query.agencyCode.map { [$0] } ?? [])
    let assignments = Dictionary(
      grouping: try Self.assignments(of: codes, in: ids, connection), by: \.campaignID)
    return deals.map { deal in
      let left = campaigns[deal.campaignID]?.remainingSlots(under: assignments[deal.campaignID] ?? [])
      return Product(deal: deal, remainingSlots: left ?? 0)
    }
  }
}

extension Deal {
  fileprivate var cursor: Cursor { Cursor(createdAt: createdAt, id: id.value) }
}

extension ProductQuery {
  /// Every page's filter; served by the index on mediatorCode, active, deletedAt and createdAt.
  fileprivate var liveFilter: BSONDocument { BSONDocument(filterFields) }

  fileprivate var pageFilter: BSONDocument {
    guard let after = page.after else { return liveFilter }
    let older: [BSONValue] = [
      ["createdAt": ["$lt": .datetime(after.createdAt)]],
      ["createdAt": .datetime(after.createdAt), "_id": ["$lt": .objectID(after.id)]],
    ]
    // In a conjunction: the search is a disjunction of its own.
    return ["$and": [.document(liveFilter), ["$or": .array(older)]]]
  }

  private var filterFields: [(String, BSONValue)] {
    var fields: [(String, BSONValue)] = [
      ("mediatorCode", .string(mediatorCode.rawValue)), ("active", true), ("deletedAt", .null),
    ]
    if let platform { fields.append(("platform", .string(platform))) }
    if let dealType { fields.append(("dealType", .string(dealType.rawValue))) }
    if let search {
      let pattern: BSONValue = ["$regex": .string(Self.literalPattern(search)), "$options": "i"]
      fields.append(("$or", [["title": pattern], ["brandName": pattern], ["platform": pattern]]))
    }
    return fields
  }

  /// A regular expression that matches `text` and nothing else: every character that could mean something is
  /// escaped (PCRE lets any non-alphanumeric ASCII character be).
  static func literalPattern(_ text: String) -> String {
    var pattern = ""
    for scalar in text.unicodeScalars {
      let isPlain = !scalar.isASCII || scalar.properties.isAlphabetic || ("0"..."9").contains(scalar)
      if !isPlain { pattern.append("\\") }
      pattern.unicodeScalars.append(scalar)
    }
    return pattern
  }
}
