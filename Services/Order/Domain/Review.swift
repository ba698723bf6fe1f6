public import Kernel

/// What came of a verification.
public struct ReviewResult: Sendable {
  /// Nil when nothing had to change.
  public let change: OrderChange?
  public let order: Order
  public let reason: String?

  public var approved: Bool { order.workflowStatus == .approved }
}

/// The rules of VerifyPurchase and VerifyAll (DOMAIN 5.3).
public enum Review {
  static let reviewers: Set<Viewer.Relation> = [.mediator, .agency, .staff]

  /// Guard 7, which needs the order alone: outsiders learn nothing but that the id exists.
  public static func requireScope(_ viewer: Viewer, on order: Order) throws(Failure) {
    try viewer.require(reviewers, to: order)
  }

  /// Guards 8 to 12, in their order.
  ///
  /// Fails with `SELF_VERIFICATION_FORBIDDEN`, `ORDER_FROZEN`, `FROZEN_SUSPENSION`, `ORDER_FRAUD_FLAGGED`,
  /// `INVALID_WORKFLOW_STATE`.
  public static func admit(
    _ viewer: Viewer, on order: Order, parties: OrderParties, rules: OrderRules
  ) throws(Failure) {
    try SelfDealing.refuse(viewer, on: order, parties: parties)
    if rules.strictMediatorVerification, viewer.relations(to: order).isDisjoint(with: [.agency, .staff]) {
      throw Failure(.selfVerificationForbidden, "mediators may not verify; the agency does")
    }
    guard !order.frozen else { throw Creation.frozen }
    for (party, name) in [(parties.mediator, "mediator"), (parties.agency, "agency"), (parties.owner, "owner")] {
      guard party?.isActive == true else { throw suspended(name) }
    }
    guard order.affiliateStatus != .fraudAlert else { throw fraudFlagged }
    guard order.workflowStatus == .underReview else { throw wrongState(order) }
  }

  /// Accepts the purchase proof, and approves when nothing else is required. Fails with `MISSING_PROOF`.
  public static func verifyPurchase(_ order: Order, by actor: Actor, now: Timestamp) throws(Failure) -> ReviewResult {
    guard order.proofs[.order] != nil else { throw Failure(.missingProof, "there is no purchase proof") }
    guard order.verification[.order] == nil else {
      return ReviewResult(change: nil, order: order, reason: ErrorCode.alreadyVerified.rawValue)
    }
    var change = OrderChange(order, by: actor, at: now)
    accept(.order, in: &change)
    try approveIfComplete(&change)
    return result(of: change)
  }

  /// Accepts every required proof in order, or none. Fails with `MISSING_PROOFS`, which names what is missing.
  public static func verifyAll(_ order: Order, by actor: Actor, now: Timestamp) throws(Failure) -> ReviewResult {
    let missing = order.missingProofs
    guard missing.isEmpty else {
      let names = missing.map(\.rawValue)
      throw Failure(
        .missingProofs, "proofs are missing: \(names.joined(separator: ", "))",
        violations: names.map { FieldViolation("proofs.\($0)", "is missing") },
        metadata: ["missingProofs": names.joined(separator: ",")])
    }
    var change = OrderChange(order, by: actor, at: now)
    for step in order.missingVerifications { accept(step, in: &change) }
    try approveIfComplete(&change)
    return result(of: change)
  }

  /// Stores what wallet said about the hold that the approval asked for (DOMAIN 7.4).
  public static func recordHold(_ hold: FundsHold, on order: Order, now: Timestamp) -> OrderChange {
    var change = OrderChange(order, by: .system, at: now)
    change.edit { order in
      order.fundsHold = hold
      // Nobody is asked any more.
      if hold != .requested, hold != .unfunded { order.holdRequestedBy = nil }
    }
    return change
  }

  private static func accept(_ step: ReviewStep, in change: inout OrderChange) {
    let verified = VerificationState(verifiedAt: change.now, verifiedBy: change.actor.id)
    change.edit { $0.verification[step] = verified }
    change.record(.verified, ["step": step.rawValue])
    change.note(.verified, ["step": .text(step.rawValue)])
  }

  /// W8, once every required step has its proof and its verification.
  private static func approveIfComplete(_ change: inout OrderChange) throws(Failure) {
    guard change.after.missingProofs.isEmpty, change.after.missingVerifications.isEmpty else { return }
    try change.move(.w8)
    let (now, approver) = (change.now, change.actor)
    change.edit { order in
      order.affiliateStatus = .pendingCooling
      order.approvedAt = now
      order.coolingEndsAt = now.advanced(by: .seconds(86_400 * Int64(order.returnWindowDays)))
      // Nothing is held for an order that pays nothing.
      if order.economics.payout > .zero {
        order.fundsHold = .requested
        order.holdSeq += 1
        order.holdRequestedBy = approver
      }
    }
  }

  private static func result(of change: OrderChange) -> ReviewResult {
    let order = change.after
    let reason: String? =
      if order.workflowStatus == .approved {
        nil
      } else {
        order.missingProofs.isEmpty ? "MISSING_VERIFICATIONS" : ErrorCode.missingProofs.rawValue
      }
    return ReviewResult(change: change, order: order, reason: reason)
  }

  static func suspended(_ party: String) -> Failure {
    Failure(.frozenSuspension, "the order's \(party) is not active")
  }

  static let fraudFlagged = Failure(.orderFraudFlagged, "the order is flagged as fraud")

  static func wrongState(_ order: Order) -> Failure {
    Failure(.invalidWorkflowState, "the order is \(order.workflowStatus.rawValue)")
  }
}

/// The ban on acting on one's own order (DOMAIN 9.3); for every role.
enum SelfDealing {
  static func refuse(_ viewer: Viewer, on order: Order, parties: OrderParties) throws(Failure) {
    let buyer = parties.buyer
    let destinations = buyer?.payoutFingerprints ?? []
    let samePerson =
      viewer.userID == order.userID
      || viewer.mobile == order.buyerMobile
      || viewer.mobile == buyer?.mobile
      || !destinations.isDisjoint(with: parties.acting?.payoutFingerprints ?? [])
    guard !samePerson else {
      throw Failure(.selfVerificationForbidden, "nobody may review or settle an order of their own")
    }
  }
}
