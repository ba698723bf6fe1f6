public import Kernel
public import Mongo
public import OrderDomain

/// Orders in MongoDB. Reading is here; creation and commits are in the extensions beside it.
public struct MongoOrderStore: OrderStore {
  let database: MongoDatabase
  /// Reads of single orders, joined under load.
  private let ordersByID: DocumentLoader
  let turns = ShopperTurns()
  /// Called after a commit that put something into the outbox.
  let wakeOutbox: @Sendable () -> Void

  public init(_ database: MongoDatabase, wakeOutbox: @escaping @Sendable () -> Void = {}) {
    self.database = database
    self.wakeOutbox = wakeOutbox
    ordersByID = DocumentLoader(database, Collections.orders)
  }

  public func order(_ id: OrderID) async throws -> Order? {
    guard let document = try await ordersByID.document(.id(id)) else { return nil }
    return try document.optionalDatetime("deletedAt") == nil ? Order(document) : nil
  }

  public func anyOrder(_ id: OrderID) async throws -> Order? {
    try await ordersByID.document(.id(id)).map { try Order($0) }
  }

  public func fates(of ids: [OrderID]) async throws -> [OrderID: OrderFate] {
    guard !ids.isEmpty else { return [:] }
    return try await database.run { connection in
      var fates: [OrderID: OrderFate] = [:]
      let fields: BSONDocument = ["workflowStatus": 1, "updatedAt": 1, "version": 1]
      for order in try connection.find(Collections.orders, ["_id": ["$in": .ids(ids)]], projection: fields) {
        fates[try order.id("_id")] = OrderFate(
          status: try order.choice("workflowStatus"), changedAt: try order.datetime("updatedAt"),
          version: try order.int64("version"))
      }
      return fates
    }
  }

  public func openCreation(for request: RequestKey) async throws -> Order? {
    guard let shopper = UserID(request.callerID) else { return nil }
    return try await database.run { connection in
      // The shopper's pending orders are few: the rest of the key is compared here.
      try connection.find(Collections.orders, ["userId": .id(shopper), "pendingSaga.kind": "reserving"])
        .map { try Order($0) }.first { $0.pendingSaga?.request == request }
    }
  }

  public func admissionFacts(
    shopper: UserID, deal: DealID, externalID: ExternalOrderID, now: Timestamp
  ) async throws -> AdmissionFacts {
    try await database.run {
      try Self.admissionFacts(shopper: shopper, deal: deal, externalID: externalID, now: now, $0)
    }
  }

  static func admissionFacts(
    shopper: UserID, deal: DealID, externalID: ExternalOrderID, now: Timestamp, _ connection: MongoConnection
  ) throws -> AdmissionFacts {
    let since = now.advanced(by: .zero - VelocityLimits.day)
    let ordered = try connection.find(
      Collections.orders, ["userId": .id(shopper), "orderedAt": ["$gt": .datetime(since)]],
      sort: ["orderedAt": -1], projection: ["orderedAt": 1])
    let pending = try connection.count(
      Collections.orders, ["userId": .id(shopper), "pendingSaga.kind": "reserving"])
    let taken = try connection.findOne(
      Collections.orders,
      // The type is named so that the partial index serves.
      ["externalOrderId": ["$eq": .string(externalID.rawValue), "$type": "string"], "deletedAt": .null],
      projection: ["_id": 1])
    let claim = try connection.findOne(
      Collections.orders, ["userId": .id(shopper), "dealId": .id(deal), "claimActive": true])
    return AdmissionFacts(
      orderedAt: try ordered.map { try $0.datetime("orderedAt") }, pending: Int(pending),
      externalIDTaken: taken != nil, claim: try claim.map { try Order($0) })
  }

  public func order(withProof sha256: String, otherThan id: OrderID) async throws -> OrderID? {
    try await database.run { connection in
      try connection.findOne(
        Collections.orderProofs, ["sha256": .string(sha256), "orderId": ["$ne": .id(id)]], projection: ["orderId": 1]
      ).map { try $0.id("orderId") }
    }
  }

  public func openTickets(on order: OrderID) async throws -> [String] {
    try await database.run { connection in
      try connection.find(
        Collections.tickets, ["orderId": .id(order), "status": "Open", "deletedAt": .null], projection: ["_id": 1]
      ).map { try $0.objectID("_id").hex }
    }
  }
}

/// What the reconciler asks for.
extension MongoOrderStore {
  public func abandonedSagas(before moment: Timestamp, limit: Int) async throws -> [Order] {
    // A settlement goes on although its order has been frozen meanwhile; a creation does not.
    let going: [BSONValue] = [["frozen": false], ["pendingSaga.kind": "settling"]]
    return try await orders(
      ["pendingSaga.touchedAt": ["$lt": .datetime(moment)], "$or": .array(going)],
      sort: ["pendingSaga.touchedAt": 1], limit: limit)
  }

  public func orders(
    awaiting hold: FundsHold, changedBefore moment: Timestamp, after place: ApprovalPlace?, limit: Int
  ) async throws -> [Order] {
    var filter: BSONDocument = [
      "fundsHold": .string(hold.rawValue), "workflowStatus": .string(WorkflowStatus.approved.rawValue),
      "frozen": false, "deletedAt": .null, "pendingSaga": .null, "updatedAt": ["$lt": .datetime(moment)],
    ]
    if let place {
      // The range for the index, the disjunction for approvals of one millisecond.
      filter.append("approvedAt", ["$gte": .datetime(place.approvedAt)])
      filter.append("$or", [["approvedAt": ["$gt": .datetime(place.approvedAt)]], ["_id": ["$gt": .id(place.id)]]])
    }
    return try await orders(
      filter, sort: ["approvedAt": 1, "_id": 1], limit: limit, index: IndexNames.approvals(awaiting: hold))
  }

  public func lateReservationChecks(dueBy now: Timestamp, limit: Int) async throws -> [Order] {
    try await orders(
      ["slotCheckDueAt": ["$gt": .datetime(LateReservations.beginning), "$lte": .datetime(now)]],
      sort: ["slotCheckDueAt": 1], limit: limit)
  }

  /// - Parameter index: for queries where the planner, among few orders, takes a worse one for as good.
  private func orders(
    _ filter: BSONDocument, sort: BSONDocument, limit: Int, index: String? = nil
  ) async throws -> [Order] {
    let options: BSONDocument = index.map { ["hint": .string($0)] } ?? [:]
    return try await database.run { connection in
      try connection.find(Collections.orders, filter, sort: sort, limit: limit, options: options)
        .map { try Order($0) }
    }
  }
}

enum LateReservations {
  /// Before any order: naming it lets the partial index tell due dates from null.
  static let beginning = Timestamp(milliseconds: 0)
}
