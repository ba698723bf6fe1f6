public import Kernel

/// The person who orders, with the network above.
public struct Shopper: Hashable, Sendable {
  public let userID: UserID
  public let name: String
  public let mobile: String
  public let mediatorCode: PartyCode
  public let agencyCode: PartyCode
  public let agencyName: String

  public init(
    userID: UserID, name: String, mobile: String, mediatorCode: PartyCode, agencyCode: PartyCode, agencyName: String
  ) {
    self.userID = userID
    self.name = name
    self.mobile = mobile
    self.mediatorCode = mediatorCode
    self.agencyCode = agencyCode
    self.agencyName = agencyName
  }
}

/// What a deal promises at the moment of the order; the request can change none of it.
public struct DealTerms: Hashable, Sendable {
  public let dealID: DealID
  public let campaignID: CampaignID
  public let ownerUserID: UserID
  public let ownerKind: OwnerKind
  public let brandName: String
  public let title: String
  public let image: String
  public let platform: String
  public let dealType: DealType
  public let commission: Money
  public let payout: Money
  public let returnWindowDays: Int32

  public init(
    dealID: DealID, campaignID: CampaignID, ownerUserID: UserID, ownerKind: OwnerKind, brandName: String,
    title: String, image: String, platform: String, dealType: DealType, commission: Money, payout: Money,
    returnWindowDays: Int32
  ) {
    self.dealID = dealID
    self.campaignID = campaignID
    self.ownerUserID = ownerUserID
    self.ownerKind = ownerKind
    self.brandName = brandName
    self.title = title
    self.image = image
    self.platform = platform
    self.dealType = dealType
    self.commission = commission
    self.payout = payout
    self.returnWindowDays = returnWindowDays
  }
}

/// What the shopper says about the purchase.
public struct PurchaseClaim: Hashable, Sendable {
  public let externalOrderID: ExternalOrderID
  public let quantity: Int32
  public let unitPrice: Money
  public let orderDate: Timestamp?
  public let soldBy: String?
  public let extractedProductName: String?
  public let reviewerName: String?

  public init(
    externalOrderID: ExternalOrderID, quantity: Int32, unitPrice: Money, orderDate: Timestamp?, soldBy: String?,
    extractedProductName: String?, reviewerName: String?
  ) {
    self.externalOrderID = externalOrderID
    self.quantity = quantity
    self.unitPrice = unitPrice
    self.orderDate = orderDate
    self.soldBy = soldBy
    self.extractedProductName = extractedProductName
    self.reviewerName = reviewerName
  }
}

/// What storage knows about a shopper who wants one more order.
public struct AdmissionFacts: Hashable, Sendable {
  /// The moments of the shopper's orders of the last 24 hours.
  public let orderedAt: [Timestamp]
  /// Orders still waiting for their slot.
  public let pending: Int
  public let externalIDTaken: Bool
  /// The shopper's live order for the deal.
  public let claim: Order?

  public init(orderedAt: [Timestamp], pending: Int, externalIDTaken: Bool, claim: Order?) {
    self.orderedAt = orderedAt
    self.pending = pending
    self.externalIDTaken = externalIDTaken
    self.claim = claim
  }
}

/// The rules of CreateOrder (DOMAIN 5.3, 8.2).
public enum Creation {
  /// The checks that need storage, in their order.
  ///
  /// `preOrder` is the redirected order that the new one continues, if any. Fails with `VELOCITY_LIMIT`,
  /// `DUPLICATE_EXTERNAL_ORDER_ID`, `DUPLICATE_DEAL_ORDER`.
  public static func admit(
    _ facts: AdmissionFacts, preOrder: Order?, limits: VelocityLimits, now: Timestamp
  ) throws(Failure) {
    try limits.admit(orderedAt: facts.orderedAt, pending: facts.pending, now: now)
    guard !facts.externalIDTaken else { throw duplicateExternalID }
    if let claim = facts.claim, claim.id != preOrder?.id { throw duplicateDeal }
  }

  public static let duplicateExternalID = Failure(
    .duplicateExternalOrderId, "an order with this marketplace order id exists already")
  public static let duplicateDeal = Failure(.duplicateDealOrder, "the shopper has a live order for this deal already")

  /// Whether `preOrder` can become the order that `shopperID` asks for.
  ///
  /// Fails with `ORDER_NOT_FOUND`, `ORDER_FROZEN`, `ORDER_STATE_MISMATCH`.
  public static func checkPreOrder(_ preOrder: Order?, of shopperID: UserID, dealID: DealID) throws(Failure) -> Order {
    guard let preOrder, preOrder.userID == shopperID, preOrder.deletedAt == nil else {
      throw Failure(.orderNotFound, "there is no such pre-order")
    }
    guard !preOrder.frozen else { throw frozen }
    guard preOrder.workflowStatus == .redirected, preOrder.pendingSaga == nil, preOrder.dealID == dealID else {
      throw Failure(.orderStateMismatch, "the pre-order has become an order already, or is for another deal")
    }
    return preOrder
  }

  static let frozen = Failure(.orderFrozen, "the order is frozen")

  /// W2: the stub that holds the claim while campaign is asked for a slot; or the pre-order, bound to the claim.
  ///
  /// Fails with `INVALID_ECONOMICS` and `AMOUNT_OUT_OF_RANGE`.
  public static func open(
    _ claim: PurchaseClaim, on deal: DealTerms, by shopper: Shopper, id: OrderID, replacing preOrder: Order?,
    rules: OrderRules, actor: Actor, request: RequestKey?, now: Timestamp
  ) throws(Failure) -> Order {
    let total = try claim.unitPrice.multiplied(by: Int64(claim.quantity))
    var order = Order(
      id: preOrder?.id ?? id, userID: shopper.userID, brandUserID: deal.ownerUserID, ownerKind: deal.ownerKind,
      campaignID: deal.campaignID, dealID: deal.dealID, mediatorCode: shopper.mediatorCode,
      agencyCode: shopper.agencyCode, agencyName: shopper.agencyName, buyerName: shopper.name,
      buyerMobile: shopper.mobile, brandName: deal.brandName,
      item: OrderItem(
        title: deal.title, image: deal.image, platform: deal.platform, brandName: deal.brandName,
        dealType: deal.dealType, quantity: claim.quantity, unitPrice: claim.unitPrice),
      total: total,
      economics: try Economics(
        commission: deal.commission, payout: deal.payout, feeBasisPoints: rules.platformFeeBasisPoints),
      returnWindowDays: deal.returnWindowDays, workflowStatus: preOrder?.workflowStatus ?? .created,
      orderDate: claim.orderDate, soldBy: claim.soldBy, extractedProductName: claim.extractedProductName,
      reviewerName: claim.reviewerName, createdAt: preOrder?.createdAt ?? now)
    order.externalOrderID = claim.externalOrderID
    order.events = preOrder?.events ?? []
    order.version = (preOrder?.version ?? 0) + 1
    order.updatedAt = now
    order.pendingSaga = PendingSaga(
      plan: .reserving, startedAt: now, touchedAt: now, attempt: 1, actor: actor, request: request)
    return order
  }

  /// Adds what is known about the pictures to an order that `open` has made.
  public static func attach(_ proofs: [NewProof], duplicateOf other: OrderID?, to order: Order) -> Order {
    var order = order
    for proof in proofs {
      order.proofs[proof.type] = ProofState(
        version: proof.version, submittedAt: proof.submittedAt, sha256: proof.image.sha256)
    }
    if order.proofs[.order] != nil { order.proofVerdicts[.order] = ProofVerdict(duplicateOf: other) }
    return order
  }

  /// W3, and with a purchase proof W6 and W7: the slot is taken.
  public static func confirm(_ order: Order, now: Timestamp) throws(Failure) -> OrderChange {
    var change = OrderChange(order, by: order.pendingSaga?.actor ?? .system, at: now)
    try change.move(.w3)
    change.edit { order in
      order.orderedAt = now
      order.pendingSaga = nil
    }
    change.record(.ordered)
    change.note(
      .orderCreated,
      [
        "dealId": .text(order.dealID.rawValue), "campaignId": .text(order.campaignID.rawValue),
        "totalPaise": .number(order.total.paise), "externalOrderId": .text(order.externalOrderID?.rawValue ?? ""),
      ])
    for type in ProofType.allCases {
      guard let proof = order.proofs[type] else { continue }
      let facts = ["proofType": type.rawValue, "version": String(proof.version)]
      if type == .order { try change.move(.w6) }
      change.record(.proofSubmitted, facts)
      change.note(
        .proofSubmitted, ["proofType": .text(type.rawValue), "version": .number(Int64(proof.version))])
    }
    if order.proofs[.order] != nil { try change.move(.w7) }
    return change
  }

  /// W4: no slot. The claim, the external id, the place in the velocity window and the pictures become free; a
  /// pre-order goes back to what it was. A delayed attempt may still reserve a slot, so that is looked at once more,
  /// much later.
  ///
  /// `refusal` is campaign's, if it was one, for those who wait for the end of the creation.
  public static func abandon(
    _ order: Order, because refusal: Failure? = nil, now: Timestamp
  ) throws(Failure) -> OrderChange {
    var change = OrderChange(order, by: .system, at: now)
    if order.workflowStatus == .created {
      try change.move(.w4)
      change.edit { order in
        order.claimActive = false
        order.deletedAt = now
      }
    } else {
      try unbind(&change, because: refusal)
    }
    change.discardProofs()
    change.edit { order in
      if let saga = order.pendingSaga, let refusal { order.sagaRefusal = SagaRefusal(refusal, of: saga) }
      order.pendingSaga = nil
      order.slotCheckDueAt = now.advanced(by: SagaTimes.lateReservation)
    }
    return change
  }

  /// Takes the purchase out of a pre-order. One whose slot was given back already can never get another: it ends, so
  /// that the shopper may order without it.
  private static func unbind(_ change: inout OrderChange, because refusal: Failure?) throws(Failure) {
    if refusal?.code == .orderStateMismatch {
      try change.move(.w5)
      change.edit { $0.claimActive = false }
    }
    change.edit { order in
      order.externalOrderID = nil
      order.item = order.item.unbought
      order.total = .zero
      order.orderDate = nil
      order.soldBy = nil
      order.extractedProductName = nil
      order.reviewerName = nil
    }
  }
}
