public import Kernel

extension Campaign {
  /// Whether `mediator`, who works under `agency`, may publish and sell this campaign (DOMAIN 5.2, Distributable).
  ///
  /// Its agency is allowed, or the campaign is the mediator's own inventory, or the mediator has slots set aside.
  public func isDistributable(by mediator: PartyCode, of agency: PartyCode, assignments: [Assignment]) -> Bool {
    guard isLive else { return false }
    if allowedAgencyCodes.contains(agency) || allowedAgencyCodes.contains(mediator) { return true }
    return assignments.contains { $0.code == mediator && $0.isActive && $0.limit > 0 }
  }

  /// Slots that the next orders of a mediator could take: what is free in the campaign, in the mediator's share and
  /// in its agency's quota. `assignments` are those two, as far as they exist.
  public func remainingSlots(under assignments: [Assignment]) -> Int64 {
    let free = max(0, totalSlots - usedSlots)
    return assignments.compactMap(\.freeSlots).reduce(free, min)
  }
}

/// A deal together with what decides whether it may be ordered.
public struct DealOffer: Hashable, Sendable {
  public let deal: Deal
  /// Nil when the campaign does not exist.
  public let campaign: Campaign?
  /// Those of the mediator and its agency, as far as they exist.
  public let assignments: [Assignment]

  public init(deal: Deal, campaign: Campaign?, assignments: [Assignment]) {
    self.deal = deal
    self.campaign = campaign
    self.assignments = assignments
  }

  /// The terms for an order placed through `mediator` of `agency`.
  ///
  /// Fails with `DEAL_NOT_FOUND`, `CAMPAIGN_NOT_ACTIVE` or `FORBIDDEN`, in this order: another mediator's deal looks
  /// like one that does not exist.
  public func terms(mediator: PartyCode, agency: PartyCode) throws(Failure) -> DealTerms {
    guard deal.deletedAt == nil, deal.isActive, deal.mediatorCode == mediator else { throw Self.notFound(deal.id) }
    guard let campaign, campaign.takesOrders else {
      throw Failure(.campaignNotActive, "the campaign takes no orders at the moment")
    }
    guard campaign.isDistributable(by: mediator, of: agency, assignments: assignments) else {
      throw Failure(.forbidden, "this mediator may not distribute the campaign")
    }
    return DealTerms(deal: deal, owner: campaign.owner)
  }

  public static func notFound(_ id: DealID) -> Failure {
    Failure(.dealNotFound, "there is no deal \(id)")
  }
}

/// What an order copies: the deal, and who pays for it.
public struct DealTerms: Hashable, Sendable {
  public let deal: Deal
  public let owner: CampaignOwner
}
