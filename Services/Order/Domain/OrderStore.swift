public import Kernel

/// How a call ended, in the form that a repeat of it is answered with.
public enum RequestAnswer: Hashable, Sendable {
  /// The encoded response.
  case response([UInt8])
  /// A refusal that came with a change of state.
  case failure(Refusal)
}

/// What storage remembers about a call.
public enum RequestMemory: Hashable, Sendable {
  case unknown
  /// The call has begun a saga that has not ended.
  case pending
  case answered(RequestAnswer)
}

/// What a commit does to the memory of the call that caused it.
public enum RequestEffect: Sendable {
  case none
  /// A saga begins with this commit.
  case begin(RequestKey)
  /// The call, or its saga, ends with this commit; also replaces the answer of an earlier commit of the same call.
  case answer(RequestKey, RequestAnswer)
  /// The saga came to nothing: the call may be made again as if for the first time.
  case forget(RequestKey)
}

public enum CommitResult: Hashable, Sendable {
  case committed
  /// Somebody else has changed or frozen the order since it was read; nothing was written.
  case lost
}

/// Where an order stands in the line of approved ones.
public struct ApprovalPlace: Hashable, Sendable {
  public let approvedAt: Timestamp
  public let id: OrderID

  public init(_ order: Order) {
    // Approved orders have the moment of their approval.
    approvedAt = order.approvedAt ?? order.createdAt
    id = order.id
  }
}

/// As much of an order as tells whether it still needs a slot.
public struct OrderFate: Hashable, Sendable {
  public let status: WorkflowStatus
  public let changedAt: Timestamp
  public let version: Int64

  public init(status: WorkflowStatus, changedAt: Timestamp, version: Int64) {
    self.status = status
    self.changedAt = changedAt
    self.version = version
  }
}

/// What orders need of storage. Each method is one atomic unit.
public protocol OrderStore: Sendable {
  /// The order, stubs and failed ones included, deleted ones excluded.
  func order(_ id: OrderID) async throws -> Order?

  /// The order, deleted ones included: for whoever waits for the end of its saga.
  func anyOrder(_ id: OrderID) async throws -> Order?

  /// What became of these orders, deleted ones included; unknown ones are missing.
  func fates(of ids: [OrderID]) async throws -> [OrderID: OrderFate]

  /// Fails with `IDEMPOTENCY_MISMATCH` when the same key was used for something else.
  func recall(_ key: RequestKey, at now: Timestamp) async throws -> RequestMemory

  /// The order whose creation waits for a slot on behalf of `request`.
  func openCreation(for request: RequestKey) async throws -> Order?

  func admissionFacts(
    shopper: UserID, deal: DealID, externalID: ExternalOrderID, now: Timestamp
  ) async throws -> AdmissionFacts

  /// Another order that carries this picture.
  func order(withProof sha256: String, otherThan id: OrderID) async throws -> OrderID?

  /// W2: admits and stores a stub with its proofs, one shopper at a time; `preOrder` is replaced instead.
  ///
  /// Begins the memory of `order.pendingSaga.request`, and is lost if that call is remembered already. Fails as
  /// `Creation.admit`, and with `ORDER_STATE_MISMATCH` when the pre-order has changed.
  func open(
    _ order: Order, replacing preOrder: Order?, proofs: [NewProof], limits: VelocityLimits
  ) async throws -> CommitResult

  /// Writes a decided change, its history and its audit entries, if the order still is what it was, and deletes the
  /// pictures of an order that nothing came of.
  func commit(_ change: OrderChange, _ effect: RequestEffect) async throws -> CommitResult

  /// Remembers an answer that changed nothing.
  func remember(_ key: RequestKey, _ answer: RequestAnswer, at now: Timestamp) async throws

  /// Ids of the tickets on an order that are open.
  func openTickets(on order: OrderID) async throws -> [String]

  /// Orders whose saga nobody has touched since `moment`, oldest first. Frozen ones are left out, unless they are
  /// being settled.
  func abandonedSagas(before moment: Timestamp, limit: Int) async throws -> [Order]

  /// Approved orders in `hold` (`requested` or `unfunded`) last changed before `moment`, oldest approval first and then
  /// by id, from behind `place` on; frozen ones are left out.
  func orders(
    awaiting hold: FundsHold, changedBefore moment: Timestamp, after place: ApprovalPlace?, limit: Int
  ) async throws -> [Order]

  /// Given-up orders, deleted ones included, that are due for their last look at the reservation; longest due first.
  func lateReservationChecks(dueBy now: Timestamp, limit: Int) async throws -> [Order]
}
