public import Kernel
public import OrderDomain

/// The contract of `OrderStore` in the simplest form that keeps it; passes the same suite as the real one.
public actor InMemoryOrderStore: OrderStore {
  private struct Memory {
    let fingerprint: String
    var answer: RequestAnswer?
  }

  /// A key without its fingerprint.
  private struct Scope: Hashable {
    let callerID: String
    let rpc: String
    let requestID: String

    init(_ key: RequestKey) {
      callerID = key.callerID
      rpc = key.rpc
      requestID = key.requestID
    }
  }

  private var orders: [OrderID: Order] = [:]
  private var memories: [Scope: Memory] = [:]
  private var tickets: [OrderID: [String]] = [:]
  /// Everything in the order in which it was committed.
  public private(set) var proofs: [NewProof] = []
  public private(set) var audit: [AuditNote] = []

  public init() {}

  /// Puts an order there as if it had come about.
  public func place(_ order: Order) { orders[order.id] = order }

  public func openTicket(_ ticket: String, on order: OrderID) { tickets[order, default: []].append(ticket) }

  public func closeTickets(on order: OrderID) { tickets[order] = nil }

  /// Deleted orders too.
  public func stored(_ id: OrderID) -> Order? { orders[id] }

  public func order(_ id: OrderID) -> Order? {
    orders[id].flatMap { $0.deletedAt == nil ? $0 : nil }
  }

  public func anyOrder(_ id: OrderID) -> Order? { orders[id] }

  public func fates(of ids: [OrderID]) -> [OrderID: OrderFate] {
    var fates: [OrderID: OrderFate] = [:]
    for id in ids {
      guard let order = orders[id] else { continue }
      fates[id] = OrderFate(status: order.workflowStatus, changedAt: order.updatedAt, version: order.version)
    }
    return fates
  }

  public func recall(_ key: RequestKey, at now: Timestamp) throws -> RequestMemory {
    guard let memory = memories[Scope(key)] else { return .unknown }
    guard memory.fingerprint == key.fingerprint else {
      throw Failure(.idempotencyMismatch, "this request id was used for another request")
    }
    return memory.answer.map(RequestMemory.answered) ?? .pending
  }

  public func openCreation(for request: RequestKey) -> Order? {
    orders.values.first { order in
      guard let saga = order.pendingSaga, case .reserving = saga.plan else { return false }
      return saga.request == request
    }
  }

  public func admissionFacts(
    shopper: UserID, deal: DealID, externalID: ExternalOrderID, now: Timestamp
  ) -> AdmissionFacts {
    let own = orders.values.filter { $0.userID == shopper }
    let since = now.advanced(by: .zero - VelocityLimits.day)
    return AdmissionFacts(
      orderedAt: own.compactMap(\.orderedAt).filter { $0 > since },
      pending: own.count { $0.pendingSaga?.plan == .reserving },
      externalIDTaken: orders.values.contains { $0.deletedAt == nil && $0.externalOrderID == externalID },
      claim: own.first { $0.dealID == deal && $0.claimActive })
  }

  public func order(withProof sha256: String, otherThan id: OrderID) -> OrderID? {
    proofs.first { $0.image.sha256 == sha256 && $0.orderID != id }?.orderID
  }

  public func open(
    _ order: Order, replacing preOrder: Order?, proofs newProofs: [NewProof], limits: VelocityLimits
  ) throws -> CommitResult {
    if let request = order.pendingSaga?.request, try recall(request, at: order.updatedAt) != .unknown { return .lost }
    if let externalID = order.externalOrderID {
      try Creation.admit(
        admissionFacts(shopper: order.userID, deal: order.dealID, externalID: externalID, now: order.updatedAt),
        preOrder: preOrder, limits: limits, now: order.updatedAt)
    }
    if let preOrder, orders[preOrder.id]?.version != preOrder.version {
      throw Failure(.orderStateMismatch, "the pre-order has changed meanwhile")
    }
    orders[order.id] = order
    proofs += newProofs
    if let request = order.pendingSaga?.request {
      memories[Scope(request)] = Memory(fingerprint: request.fingerprint)
    }
    return .committed
  }

  public func commit(_ change: OrderChange, _ effect: RequestEffect) -> CommitResult {
    guard let current = orders[change.before.id], current.version == change.before.version,
      current.workflowStatus == change.before.workflowStatus, !current.frozen || change.ignoresFreeze
    else { return .lost }
    orders[change.after.id] = change.after
    audit += change.audit
    if change.discardsProofs { proofs.removeAll { $0.orderID == change.before.id } }
    switch effect {
    case .none: break
    case .begin(let key): memories[Scope(key)] = Memory(fingerprint: key.fingerprint)
    case .answer(let key, let answer): memories[Scope(key)] = Memory(fingerprint: key.fingerprint, answer: answer)
    case .forget(let key): memories[Scope(key)] = nil
    }
    return .committed
  }

  public func remember(_ key: RequestKey, _ answer: RequestAnswer, at now: Timestamp) {
    memories[Scope(key)] = Memory(fingerprint: key.fingerprint, answer: answer)
  }

  public func openTickets(on order: OrderID) -> [String] { tickets[order] ?? [] }

  public func abandonedSagas(before moment: Timestamp, limit: Int) -> [Order] {
    let found = orders.values.filter { order in
      guard let saga = order.pendingSaga, saga.touchedAt < moment else { return false }
      return !order.frozen || saga.plan != .reserving
    }
    return Array(found.sorted { $0.updatedAt < $1.updatedAt }.prefix(limit))
  }

  public func orders(
    awaiting hold: FundsHold, changedBefore moment: Timestamp, after place: ApprovalPlace?, limit: Int
  ) -> [Order] {
    let found = orders.values.filter { order in
      guard order.workflowStatus == .approved, order.fundsHold == hold, !order.frozen, order.deletedAt == nil,
        order.pendingSaga == nil, order.updatedAt < moment
      else { return false }
      return place.map { Self.key(ApprovalPlace(order)) > Self.key($0) } ?? true
    }
    return Array(found.sorted { Self.key(ApprovalPlace($0)) < Self.key(ApprovalPlace($1)) }.prefix(limit))
  }

  private static func key(_ place: ApprovalPlace) -> (Timestamp, String) { (place.approvedAt, place.id.rawValue) }

  public func lateReservationChecks(dueBy now: Timestamp, limit: Int) -> [Order] {
    let found = orders.values.compactMap { order in
      order.slotCheckDueAt.flatMap { $0 <= now ? (due: $0, order: order) : nil }
    }
    return found.sorted { $0.due < $1.due }.prefix(limit).map(\.order)
  }
}
