import CampaignDomain
import Kernel

/// The contract of `CampaignStore` on dictionaries. An actor is its transaction: one command at a time.
actor CampaignMemoryStore: CampaignStore {
  private var campaigns: [CampaignID: Campaign] = [:]
  private var assignments: [Assignment] = []
  private var deals: [DealID: Deal] = [:]
  private var reservations: [OrderID: Reservation] = [:]

  func products(_ query: ProductQuery) async throws -> Page<Product> {
    let live = deals.values.filter { Self.matches($0, query) }
      .sorted { ($0.createdAt, $0.id) > ($1.createdAt, $1.id) }
    let rest = live.filter { deal in
      guard let after = query.page.after else { return true }
      return (deal.createdAt, deal.id.value) < (after.createdAt, after.id)
    }
    let shown = rest.prefix(query.page.size)
    let codes = [query.mediatorCode] + (query.agencyCode.map { [$0] } ?? [])
    let next = rest.count > shown.count ? shown.last : nil
    return Page(
      items: shown.map { deal in
        let own = assignments.filter { $0.campaignID == deal.campaignID && codes.contains($0.code) }
        return Product(deal: deal, remainingSlots: campaigns[deal.campaignID]?.remainingSlots(under: own) ?? 0)
      },
      next: next.map { Cursor(createdAt: $0.createdAt, id: $0.id.value) },
      total: query.page.includeTotal ? min(Int64(live.count), PageLimits.totalMax) : nil)
  }

  func offer(_ deal: DealID, mediator: PartyCode, agency: PartyCode) async throws -> DealOffer? {
    guard let deal = deals[deal] else { return nil }
    return DealOffer(
      deal: deal, campaign: campaigns[deal.campaignID],
      assignments: assignments.filter { $0.campaignID == deal.campaignID && [mediator, agency].contains($0.code) })
  }

  func reservation(of order: OrderID) async throws -> Reservation? {
    reservations[order]
  }

  func book(for claim: SlotClaim) async throws -> SlotBook {
    book(for: .reserve(claim), of: claim.campaignID)
  }

  func heldReservations(before moment: Timestamp, page: PageRequest) async throws -> Page<Reservation> {
    let held = reservations.values.filter { reservation in
      guard reservation.state == .held, reservation.createdAt < moment else { return false }
      guard let after = page.after else { return true }
      return (reservation.createdAt, reservation.id.value) > (after.createdAt, after.id)
    }.sorted { ($0.createdAt, $0.id) < ($1.createdAt, $1.id) }
    let items = Array(held.prefix(page.size))
    let last = held.count > items.count ? items.last : nil
    return Page(items: items, next: last.map { Cursor(createdAt: $0.createdAt, id: $0.id.value) }, total: nil)
  }

  func apply(_ step: SlotStep, by actor: Actor, at now: Timestamp) async throws -> SlotOutcome {
    let command = step.command
    let campaign: CampaignID?
    if case .reserve(let claim) = command {
      campaign = claim.campaignID
    } else {
      campaign = reservations[command.orderID]?.campaignID
    }
    guard let campaign else { throw Reservation.notFound(command.orderID) }
    switch try book(for: command, of: campaign).decide(step, now: now) {
    case .unchanged(let reservation):
      return SlotOutcome(reservation: reservation, replayed: true)
    case .raise(let reservation):
      reservations[reservation.orderID] = reservation
      return SlotOutcome(reservation: reservation, replayed: true)
    case .change(let change):
      reservations[change.reservation.orderID] = change.reservation
      if let campaign = change.campaign { campaigns[campaign.id] = campaign }
      for changed in change.assignments {
        guard let index = assignments.firstIndex(where: { $0.id == changed.id }) else { continue }
        assignments[index] = changed
      }
      return SlotOutcome(reservation: change.reservation, replayed: false)
    }
  }

  func insertMissing(_ catalog: Catalog) async throws {
    for campaign in catalog.campaigns where campaigns[campaign.id] == nil { campaigns[campaign.id] = campaign }
    for new in catalog.assignments {
      guard !assignments.contains(where: { $0.campaignID == new.campaignID && $0.code == new.code }) else { continue }
      assignments.append(new)
    }
    for new in catalog.deals {
      let isTaken = deals.values.contains {
        $0.id == new.id
          || ($0.campaignID == new.campaignID && $0.mediatorCode == new.mediatorCode && $0.deletedAt == nil)
      }
      if !isTaken { deals[new.id] = new }
    }
  }

  private func book(for command: SlotCommand, of campaign: CampaignID) -> SlotBook {
    let reservation = reservations[command.orderID]
    if let reservation, reservation.campaignID != campaign {
      return SlotBook(campaign: nil, assignments: [], reservation: reservation)
    }
    var codes: [PartyCode] = []
    if let reservation {
      codes = [reservation.mediatorCode, reservation.agencyCode]
    } else if case .reserve(let claim) = command {
      codes = claim.codes
    }
    return SlotBook(
      campaign: campaigns[campaign],
      assignments: assignments.filter { $0.campaignID == campaign && codes.contains($0.code) },
      reservation: reservation)
  }

  private static func matches(_ deal: Deal, _ query: ProductQuery) -> Bool {
    guard deal.mediatorCode == query.mediatorCode, deal.isActive, deal.deletedAt == nil,
      query.platform.map({ $0 == deal.listing.platform }) ?? true,
      query.dealType.map({ $0 == deal.listing.dealType }) ?? true
    else { return false }
    guard let search = query.search?.lowercased() else { return true }
    return [deal.listing.title, deal.listing.brandName, deal.listing.platform].contains {
      $0.lowercased().contains(search)
    }
  }
}
