public import Kernel

/// What the shoppers of one mediator ask to see.
public struct ProductQuery: Sendable {
  public let mediatorCode: PartyCode
  /// The mediator's agency, whose quota counts; nil when it is unknown.
  public let agencyCode: PartyCode?
  /// A literal substring of title, brand or platform, in any case.
  public let search: String?
  public let platform: String?
  public let dealType: DealType?
  public let page: PageRequest

  public init(
    mediatorCode: PartyCode, agencyCode: PartyCode?, search: String? = nil, platform: String? = nil,
    dealType: DealType? = nil, page: PageRequest
  ) {
    self.mediatorCode = mediatorCode
    self.agencyCode = agencyCode
    self.search = search
    self.platform = platform
    self.dealType = dealType
    self.page = page
  }
}

/// An active deal and how often it can still be ordered.
public struct Product: Hashable, Sendable {
  public let deal: Deal
  public let remainingSlots: Int64

  public init(deal: Deal, remainingSlots: Int64) {
    self.deal = deal
    self.remainingSlots = remainingSlots
  }
}

/// Storage of campaigns, assignments, deals and reservations.
public protocol CampaignStore: Sendable {
  /// Active live deals of a mediator, newest first.
  func products(_ query: ProductQuery) async throws -> Page<Product>

  /// The deal with its campaign and the assignments of these codes; nil for an unknown deal. What it says may change
  /// before the order comes for its slot, which is why `apply` looks again.
  func offer(_ deal: DealID, mediator: PartyCode, agency: PartyCode) async throws -> DealOffer?

  /// Nil when the order never took a slot.
  func reservation(of order: OrderID) async throws -> Reservation?

  /// What a claim would be decided on now.
  func book(for claim: SlotClaim) async throws -> SlotBook

  /// Reservations that are held and were made before `moment`, oldest first, then by id.
  func heldReservations(before moment: Timestamp, page: PageRequest) async throws -> Page<Reservation>

  /// Decides by `SlotBook.decide` and commits the change together with its audit entry, all or nothing. The entry names
  /// the system, and the call by which `actor` has caused it.
  ///
  /// Exact under concurrency: two orders never share the last slot. Throws the decision's failure, or
  /// `CONCURRENT_MODIFICATION` when every attempt lost against another writer.
  func apply(_ step: SlotStep, by actor: Actor, at now: Timestamp) async throws -> SlotOutcome

  /// Writes the documents that do not exist yet, by id or by their unique keys, and leaves the others as they are.
  func insertMissing(_ catalog: Catalog) async throws
}

/// Campaigns with the assignments and deals that belong to them.
public struct Catalog: Sendable {
  public var campaigns: [Campaign]
  public var assignments: [Assignment]
  public var deals: [Deal]

  public init(campaigns: [Campaign] = [], assignments: [Assignment] = [], deals: [Deal] = []) {
    self.campaigns = campaigns
    self.assignments = assignments
    self.deals = deals
  }
}

/// Tells which agency a mediator works under. Only identity knows.
public protocol AgencySource: Sendable {
  /// Nil when there is no such mediator.
  func agency(of mediator: PartyCode) async throws -> PartyCode?
}
