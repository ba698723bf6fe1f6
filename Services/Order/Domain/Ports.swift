public import Kernel

/// What campaign does for orders. Refusals arrive as `Failure`; everything is idempotent by order.
///
/// Steps carry the order's version as it was when they were written down: campaign lets a step pass that has a smaller
/// one than an earlier step, so a driver that was overtaken can undo nothing.
public protocol CampaignSlots: Sendable {
  /// Fails with `DEAL_NOT_FOUND`, `CAMPAIGN_NOT_ACTIVE`, `FORBIDDEN`.
  func deal(_ id: DealID, for shopper: Shopper, as actor: Actor) async throws -> DealTerms
  /// Fails with `SOLD_OUT`, `SOLD_OUT_FOR_PARTNER`, `CAMPAIGN_NOT_ACTIVE`, `ORDER_STATE_MISMATCH`.
  func reserve(for order: Order, as actor: Actor) async throws
  /// Nil when there is none.
  func reservation(of order: OrderID, as actor: Actor) async throws -> SlotState?
  /// Fails with `RESERVATION_NOT_FOUND`, `CAP_EXCEEDED`, `ORDER_STATE_MISMATCH`.
  func consume(for order: OrderID, version: Int64, as actor: Actor) async throws
  /// Fails with `RESERVATION_NOT_FOUND`, `ORDER_STATE_MISMATCH`.
  func unconsume(for order: OrderID, version: Int64, as actor: Actor) async throws
  /// `version` is 0 for an order that is not known here. Fails with `RESERVATION_NOT_FOUND`, and with
  /// `ORDER_STATE_MISMATCH` while the slot is consumed.
  func release(for order: OrderID, version: Int64, reason: String, as actor: Actor) async throws
  /// Orders whose slot has been held since before `moment`, oldest first, from `place` on. Fails with `INVALID_CURSOR`.
  func held(before moment: Timestamp, from place: String?) async throws -> HeldSlots
}

/// One page of what campaign holds for orders.
public struct HeldSlots: Sendable {
  public let orders: [OrderID]
  /// Where the next page begins; nil at the end.
  public let next: String?

  public init(orders: [OrderID], next: String?) {
    self.orders = orders
    self.next = next
  }
}

public enum SlotState: String, Sendable {
  case held, consumed, released
}

/// What wallet does for orders. Refusals arrive as `Failure`.
public protocol WalletFunds: Sendable {
  /// Idempotent by order and hold number. Fails with `INSUFFICIENT_FUNDS`, `WALLET_NOT_FOUND`, `HOLD_CLOSED`.
  func lock(_ lock: FundsLock, as actor: Actor) async throws
  /// Closes a hold number for ever. Fails with `HOLD_NOT_FOUND` when nothing was held, which is as good as done.
  func release(order: OrderID, holdSeq: Int32, reason: String, as actor: Actor) async throws
  /// Makes exactly one attempt. With `resolve` a refusal is remembered for ever, so that no earlier attempt can post.
  ///
  /// Fails with `INSUFFICIENT_FUNDS`, `BALANCE_LIMIT_EXCEEDED`, `WALLET_NOT_FOUND`, `IDEMPOTENCY_MISMATCH`.
  func settle(_ posting: SettlementPosting, resolve: Bool, as actor: Actor) async throws
}

/// The parties and amounts of one order's money.
public struct OrderFunds: Hashable, Sendable {
  public let orderID: OrderID
  public let campaignID: CampaignID
  public let ownerID: UserID
  public let ownerKind: OwnerKind
  public let buyerID: UserID
  public let mediatorID: UserID
  public let economics: Economics

  public init(_ order: Order, mediatorID: UserID) {
    orderID = order.id
    campaignID = order.campaignID
    ownerID = order.brandUserID
    ownerKind = order.ownerKind
    buyerID = order.userID
    self.mediatorID = mediatorID
    economics = order.economics
  }
}

public struct FundsLock: Hashable, Sendable {
  public let funds: OrderFunds
  public let holdSeq: Int32

  public init(funds: OrderFunds, holdSeq: Int32) {
    self.funds = funds
    self.holdSeq = holdSeq
  }
}

/// Equal values name the same posting.
public struct SettlementPosting: Hashable, Sendable {
  public let funds: OrderFunds
  public let seq: Int32
  public let holdSeq: Int32
  public let voidedTries: Int32

  public init(funds: OrderFunds, seq: Int32, holdSeq: Int32, voidedTries: Int32) {
    self.funds = funds
    self.seq = seq
    self.holdSeq = holdSeq
    self.voidedTries = voidedTries
  }
}

/// What identity knows about people, never from a cache.
public protocol PartyDirectory: Sendable {
  /// Nil when identity knows nobody by this id.
  func lineage(of user: UserID) async throws -> Lineage?
  /// Nil when nobody has this code.
  func lineage(of code: PartyCode) async throws -> Lineage?
}

/// Looks at the pictures. Nil is "no opinion": a person decides.
public protocol ProofVerifier: Sendable {
  func purchase(
    _ image: ProofImage, expectedOrderID: ExternalOrderID, expectedAmount: Money
  ) async throws -> PurchaseVerdict?
}

public struct PurchaseVerdict: Hashable, Sendable {
  public let orderIDMatches: Bool
  public let amountMatches: Bool
  /// 0 to 100.
  public let confidence: Int32

  public init(orderIDMatches: Bool, amountMatches: Bool, confidence: Int32) {
    self.orderIDMatches = orderIDMatches
    self.amountMatches = amountMatches
    self.confidence = confidence
  }
}

extension PurchaseVerdict {
  /// Fails with `INVALID_ORDER_PROOF` when the picture shows something else, or cannot be read with confidence.
  public func requireCredible(_ rules: OrderRules) throws(Failure) {
    guard orderIDMatches, amountMatches, confidence >= rules.proofConfidenceThreshold else {
      throw Failure(.invalidOrderProof, "the picture does not show this purchase")
    }
  }
}

/// Leaves every decision to people (PROOF_VERIFIER=manual).
public struct ManualProofVerifier: ProofVerifier {
  public init() {}

  public func purchase(
    _ image: ProofImage, expectedOrderID: ExternalOrderID, expectedAmount: Money
  ) async throws -> PurchaseVerdict? { nil }
}
