public import Kernel

/// Everything that a decision about one slot depends on, read in one snapshot.
public struct SlotBook: Hashable, Sendable {
  /// The campaign of the claim or of the reservation, deleted or not.
  public var campaign: Campaign?
  /// The assignments of the order's mediator and of its agency, as far as they exist. Active or not: an assignment
  /// counts every order of its code, so that its counters stay true when it is closed and opened again.
  public var assignments: [Assignment]
  /// What the order holds already.
  public var reservation: Reservation?

  public init(campaign: Campaign?, assignments: [Assignment], reservation: Reservation?) {
    self.campaign = campaign
    self.assignments = assignments
    self.reservation = reservation
  }
}

/// What to store. Every value is the whole new state; its version is one above the one that was read.
public struct SlotChange: Hashable, Sendable {
  public let reservation: Reservation
  /// Nil when the campaign itself stays as it is.
  public let campaign: Campaign?
  /// Only the changed ones.
  public let assignments: [Assignment]

  public init(reservation: Reservation, campaign: Campaign?, assignments: [Assignment]) {
    self.reservation = reservation
    self.campaign = campaign
    self.assignments = assignments
  }
}

public enum SlotDecision: Hashable, Sendable {
  /// Done before, or overtaken: answer with what is stored.
  case unchanged(Reservation)
  /// Done before, by an older version of the order. Only the version is to be stored, so that nothing that was sent in
  /// between undoes what this step relies on.
  case raise(Reservation)
  case change(SlotChange)
}

extension SlotBook {
  /// Decides one step of an order's slot. Pure: the store commits the change if nothing it read has moved.
  ///
  /// Fails with `RESERVATION_NOT_FOUND`, `CAMPAIGN_NOT_FOUND`, `CAMPAIGN_NOT_ACTIVE`, `SOLD_OUT`,
  /// `SOLD_OUT_FOR_PARTNER`, `CAP_EXCEEDED`, `ORDER_STATE_MISMATCH` or `IDEMPOTENCY_MISMATCH`.
  public func decide(_ step: SlotStep, now: Timestamp) throws(Failure) -> SlotDecision {
    // A repeated claim changes nothing anyway, but still has to ask for the same slot.
    if let reservation, !step.command.isClaim, step.isOutdated(by: reservation) { return .unchanged(reservation) }
    let decision: SlotDecision
    switch step.command {
    case .reserve(let claim): decision = try reserve(claim, now: now)
    case .release(let order, let reason): decision = try release(order, reason: reason, now: now)
    case .consume(let order): decision = try consume(order, now: now)
    case .unconsume(let order): decision = try unconsume(order, now: now)
    }
    return decision.carrying(step.orderVersion)
  }

  /// The campaign's capacity is checked before the partner's, so that `SOLD_OUT` means sold out for everybody.
  private func reserve(_ claim: SlotClaim, now: Timestamp) throws(Failure) -> SlotDecision {
    if let reservation { return .unchanged(try repeated(claim, of: reservation)) }
    guard var campaign, campaign.isLive else {
      throw Failure(.campaignNotFound, "there is no campaign \(claim.campaignID)")
    }
    guard campaign.takesOrders else { throw Failure(.campaignNotActive, "the campaign takes no orders at the moment") }
    guard campaign.usedSlots < campaign.totalSlots else {
      throw Failure(.soldOut, "all slots of the campaign are taken")
    }
    guard assignments.allSatisfy({ $0.freeSlots != 0 }) else {
      throw Failure(.soldOutForPartner, "all slots set aside for this partner are taken")
    }
    campaign.usedSlots += 1
    campaign.hasOrders = true
    campaign.lock = campaign.lock ?? CampaignLock(reason: .firstOrder, at: now)
    campaign.touch(now)
    return .change(
      SlotChange(
        reservation: Reservation(
          id: .generate(at: now), orderID: claim.orderID, campaignID: claim.campaignID,
          mediatorCode: claim.mediatorCode, agencyCode: claim.agencyCode, state: .held, createdAt: now, updatedAt: now),
        campaign: campaign, assignments: counting(used: 1, now: now)))
  }

  private func release(_ order: OrderID, reason: String, now: Timestamp) throws(Failure) -> SlotDecision {
    guard var reservation else { throw Reservation.notFound(order) }
    switch reservation.state {
    case .released: return .unchanged(reservation)
    case .consumed: throw Self.stateMismatch("a settled order keeps its slot until it is unsettled")
    case .held: break
    }
    reservation.state = .released
    reservation.releasedReason = reason
    reservation.updatedAt = now
    let relieved = campaign.map { campaign in
      var relieved = campaign
      relieved.usedSlots = max(0, relieved.usedSlots - 1)
      relieved.touch(now)
      return relieved
    }
    return .change(
      SlotChange(reservation: reservation, campaign: relieved, assignments: counting(used: -1, now: now)))
  }

  private func consume(_ order: OrderID, now: Timestamp) throws(Failure) -> SlotDecision {
    guard var reservation else { throw Reservation.notFound(order) }
    switch reservation.state {
    case .consumed: return .unchanged(reservation)
    case .released: throw Self.stateMismatch("the slot of this order was given back")
    case .held: break
    }
    guard !assignments.contains(where: \.isSettledUp) else {
      throw Failure(.capExceeded, "as many orders of this partner are settled as its limit allows")
    }
    reservation.state = .consumed
    reservation.updatedAt = now
    return .change(
      SlotChange(reservation: reservation, campaign: nil, assignments: counting(settled: 1, now: now)))
  }

  private func unconsume(_ order: OrderID, now: Timestamp) throws(Failure) -> SlotDecision {
    guard var reservation else { throw Reservation.notFound(order) }
    switch reservation.state {
    case .held: return .unchanged(reservation)
    case .released: throw Self.stateMismatch("the slot of this order was given back")
    case .consumed: break
    }
    reservation.state = .held
    reservation.updatedAt = now
    return .change(
      SlotChange(reservation: reservation, campaign: nil, assignments: counting(settled: -1, now: now)))
  }

  /// A repeated claim must name the same slot: an order id used for another one is a mistake of the caller.
  private func repeated(_ claim: SlotClaim, of reservation: Reservation) throws(Failure) -> Reservation {
    guard reservation.campaignID == claim.campaignID, reservation.mediatorCode == claim.mediatorCode,
      reservation.agencyCode == claim.agencyCode
    else { throw Failure(.idempotencyMismatch, "the order already has a slot of another campaign or partner") }
    guard reservation.state != .released else {
      throw Self.stateMismatch("the slot of this order was given back and cannot be taken again")
    }
    return reservation
  }

  private func counting(used: Int64 = 0, settled: Int64 = 0, now: Timestamp) -> [Assignment] {
    assignments.map { assignment in
      var changed = assignment
      changed.usedSlots = max(0, changed.usedSlots + used)
      changed.settledSlots = max(0, changed.settledSlots + settled)
      changed.version += 1
      changed.updatedAt = now
      return changed
    }
  }

  private static func stateMismatch(_ message: String) -> Failure {
    Failure(.orderStateMismatch, message)
  }
}

extension SlotStep {
  fileprivate func isOutdated(by reservation: Reservation) -> Bool {
    orderVersion > 0 && orderVersion < reservation.orderVersion
  }
}

extension SlotDecision {
  /// The decision with the step's version on the reservation, unless a larger one is there.
  fileprivate func carrying(_ orderVersion: Int64) -> SlotDecision {
    switch self {
    case .unchanged(var reservation), .raise(var reservation):
      guard orderVersion > reservation.orderVersion else { return self }
      reservation.orderVersion = orderVersion
      return .raise(reservation)
    case .change(let change):
      var reservation = change.reservation
      reservation.orderVersion = max(reservation.orderVersion, orderVersion)
      return .change(
        SlotChange(reservation: reservation, campaign: change.campaign, assignments: change.assignments))
    }
  }
}

extension Campaign {
  fileprivate mutating func touch(_ now: Timestamp) {
    version += 1
    updatedAt = now
  }
}
