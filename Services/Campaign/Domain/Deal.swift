public import Kernel

/// Why a deal is not shown. A deal is active exactly when it has no such reason, so that lifting one cause never
/// revives a deal that another cause still stops.
public enum InactiveReason: String, CaseIterable, Hashable, Sendable {
  case unpublished
  case campaignNotActive = "campaign_not_active"
  case mediatorSuspended = "mediator_suspended"
  case agencySuspended = "agency_suspended"
  case ownerSuspended = "owner_suspended"
  case agencyRemoved = "agency_removed"
}

/// A campaign as one mediator publishes it, with that mediator's commission.
public struct Deal: Hashable, Sendable {
  public let id: DealID
  public let campaignID: CampaignID
  public let mediatorCode: PartyCode
  public let listing: Listing
  public var description: String
  public var category: String
  /// Stars, 0 to 5.
  public var rating: Int32
  /// Cashback for the shopper per order; at most `payout`.
  public var commission: Money
  /// The assignment's payout, else the campaign's, at publication.
  public var payout: Money
  public var inactiveReasons: Set<InactiveReason>
  public var deletedAt: Timestamp?
  public let createdAt: Timestamp
  public var updatedAt: Timestamp

  public static let descriptionDefault = "Exclusive"
  public static let categoryDefault = "General"
  public static let ratingDefault: Int32 = 5

  public init(
    id: DealID, campaignID: CampaignID, mediatorCode: PartyCode, listing: Listing,
    description: String = Deal.descriptionDefault, category: String = Deal.categoryDefault,
    rating: Int32 = Deal.ratingDefault, commission: Money, payout: Money,
    inactiveReasons: Set<InactiveReason> = [], deletedAt: Timestamp? = nil, createdAt: Timestamp,
    updatedAt: Timestamp
  ) {
    self.id = id
    self.campaignID = campaignID
    self.mediatorCode = mediatorCode
    self.listing = listing
    self.description = description
    self.category = category
    self.rating = rating
    self.commission = commission
    self.payout = payout
    self.inactiveReasons = inactiveReasons
    self.deletedAt = deletedAt
    self.createdAt = createdAt
    self.updatedAt = updatedAt
  }

  /// Shown to shoppers, unless the deal is deleted.
  public var isActive: Bool { inactiveReasons.isEmpty }
}
