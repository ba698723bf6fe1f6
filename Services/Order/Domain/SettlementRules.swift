public import Kernel

/// What a settler asks for.
public struct SettlementRequest: Hashable, Sendable {
  public let mode: SettlementMode
  public let ref: String?
  public let overrideCooling: Bool

  public init(mode: SettlementMode, ref: String?, overrideCooling: Bool) {
    self.mode = mode
    self.ref = ref
    self.overrideCooling = overrideCooling
  }
}

/// The rules of SettleOrder (DOMAIN 5.3).
public enum SettlementRules {
  /// Guard 3: only staff may shorten the cooling period. Fails with `FORBIDDEN`.
  public static func requireRole(_ viewer: Viewer, for request: SettlementRequest) throws(Failure) {
    guard !request.overrideCooling || viewer.roles.arePrivileged else {
      throw Failure(.forbidden, "only staff may override the cooling period")
    }
  }

  /// What the guards have found. A dispute changes the order and still refuses.
  public enum Verdict: Sendable {
    case settle(OrderChange)
    case frozenDispute(OrderChange, Failure)
  }

  static let frozenDispute = Failure(.frozenDispute, "a ticket on this order is open")

  /// Guards 8 to 13, in their order, then W13.
  ///
  /// Fails with `SELF_VERIFICATION_FORBIDDEN`, `SETTLEMENT_MODE_FORBIDDEN`, `ORDER_FROZEN`, `FROZEN_SUSPENSION`,
  /// `ORDER_FRAUD_FLAGGED`, `INVALID_WORKFLOW_STATE`, `FROZEN_DISPUTE`, `COOLING_PERIOD_ACTIVE`, `INVALID_PAYOUT`,
  /// `INVALID_ECONOMICS`, `MISSING_MEDIATOR`, `MISSING_BRAND`.
  public static func decide(
    _ request: SettlementRequest, on order: Order, by viewer: Viewer, actor: Actor, parties: OrderParties,
    openTickets: [String], key: RequestKey?, now: Timestamp
  ) throws(Failure) -> Verdict {
    try SelfDealing.refuse(viewer, on: order, parties: parties)
    // Separation of duties: whoever earns the margin on a proof that he accepted must not also pay it out.
    if request.mode == .wallet, viewer.relations(to: order).isDisjoint(with: [.agency, .staff]) {
      throw Failure(.settlementModeForbidden, "mediators may only record external settlements")
    }
    guard !order.frozen else { throw Creation.frozen }
    try requireActive(parties, mode: request.mode)
    guard order.affiliateStatus != .fraudAlert else { throw Review.fraudFlagged }
    guard order.workflowStatus == .approved, order.pendingSaga == nil else { throw Review.wrongState(order) }
    guard openTickets.isEmpty else {
      guard order.affiliateStatus != .frozenDisputed else { throw frozenDispute }
      return .frozenDispute(dispute(order, tickets: openTickets, by: actor, now: now), frozenDispute)
    }
    if let end = order.coolingEndsAt, now < end, !request.overrideCooling {
      throw Failure(
        .coolingPeriodActive, "the cooling period has not ended",
        metadata: ["secondsLeft": String((end.milliseconds - now.milliseconds + 999) / 1_000)])
    }
    if request.mode == .wallet { try requirePayable(order, parties: parties) }
    return .settle(try begin(request, on: order, parties: parties, by: actor, key: key, now: now))
  }

  /// In wallet mode a mediator or an owner that is gone altogether has a code of its own, further down.
  private static func requireActive(_ parties: OrderParties, mode: SettlementMode) throws(Failure) {
    for (party, name) in [(parties.mediator, "mediator"), (parties.owner, "owner")] {
      if party == nil, mode == .wallet { continue }
      guard party?.isActive == true else { throw Review.suspended(name) }
    }
    for (party, name) in [(parties.agency, "agency"), (parties.buyer, "shopper")] {
      guard party?.isActive == true else { throw Review.suspended(name) }
    }
  }

  private static func requirePayable(_ order: Order, parties: OrderParties) throws(Failure) {
    guard order.economics.payout > .zero else {
      throw Failure(.invalidPayout, "there is nothing to pay for this order")
    }
    guard order.economics.commission <= order.economics.payout else {
      throw Failure(.invalidEconomics, "the cashback is larger than the payout")
    }
    guard parties.mediator != nil else { throw Failure(.missingMediator, "the mediator's account is gone") }
    guard parties.owner != nil else { throw Failure(.missingBrand, "the owner's account is gone") }
  }

  private static func dispute(_ order: Order, tickets: [String], by actor: Actor, now: Timestamp) -> OrderChange {
    var change = OrderChange(order, by: actor, at: now)
    change.edit { order in
      order.heldAffiliateStatus = order.affiliateStatus
      order.affiliateStatus = .frozenDisputed
    }
    change.record(.frozenDisputed)
    change.note(.frozenDisputed, ["ticketIds": .list(tickets)])
    return change
  }

  /// W13.
  private static func begin(
    _ request: SettlementRequest, on order: Order, parties: OrderParties, by actor: Actor, key: RequestKey?,
    now: Timestamp
  ) throws(Failure) -> OrderChange {
    var change = OrderChange(order, by: actor, at: now)
    try change.move(.w13)
    let plan = SettlementPlan(
      step: .consumeSlot, seq: order.nextSettlementSeq, mode: request.mode, ref: request.ref,
      overrideCooling: request.overrideCooling, mediatorUserID: parties.mediator?.userID)
    change.edit { order in
      order.pendingSaga = PendingSaga(
        plan: .settling(plan), startedAt: now, touchedAt: now, attempt: 1, actor: actor, request: key)
    }
    return change
  }
}
