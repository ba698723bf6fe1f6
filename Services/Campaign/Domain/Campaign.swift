public import Kernel

public enum AssignmentTag {}
public enum ReservationTag {}
public typealias AssignmentID = ID<AssignmentTag>
public typealias ReservationID = ID<ReservationTag>

public enum CampaignStatus: String, CaseIterable, Hashable, Sendable {
  case draft, active, paused, completed
}

/// What a shopper sees of an offer. A deal copies it from its campaign when it is first published.
public struct Listing: Hashable, Sendable {
  public var title: String
  public var image: String
  public var productURL: String
  /// The outside marketplace, for example `Amazon`.
  public var platform: String
  public var brandName: String
  public var dealType: DealType
  /// Zero when unknown, otherwise at least `price`.
  public var originalPrice: Money
  /// What the shopper pays on the marketplace; the commission is not added to it.
  public var price: Money
  /// Days of cooling between approval and settlement, 0 to 365.
  public var returnWindowDays: Int32

  public init(
    title: String, image: String, productURL: String, platform: String, brandName: String, dealType: DealType,
    originalPrice: Money, price: Money, returnWindowDays: Int32
  ) {
    self.title = title
    self.image = image
    self.productURL = productURL
    self.platform = platform
    self.brandName = brandName
    self.dealType = dealType
    self.originalPrice = originalPrice
    self.price = price
    self.returnWindowDays = returnWindowDays
  }
}

/// Who pays for the orders of a campaign: a brand, or the agency or mediator of an inventory campaign.
public struct CampaignOwner: Hashable, Sendable {
  public let userID: UserID
  public let kind: OwnerKind

  public init(userID: UserID, kind: OwnerKind) {
    self.userID = userID
    self.kind = kind
  }
}

/// Why and since when the terms of a campaign may not change any more. A lock is never taken off.
public struct CampaignLock: Hashable, Sendable {
  public enum Reason: String, CaseIterable, Hashable, Sendable {
    case slotAssignment = "SLOT_ASSIGNMENT"
    case firstOrder = "FIRST_ORDER"
  }

  public let reason: Reason
  public let at: Timestamp

  public init(reason: Reason, at: Timestamp) {
    self.reason = reason
    self.at = at
  }
}

/// A funded offer and its capacity.
///
/// Invariant: `0 <= usedSlots <= totalSlots`, and `usedSlots` is the number of reservations held or consumed
/// (DOMAIN 7.7, rule 10).
public struct Campaign: Hashable, Sendable {
  public let id: CampaignID
  public var listing: Listing
  public let owner: CampaignOwner
  /// What the owner pays for a settled order, before the platform fee.
  public var payout: Money
  public var totalSlots: Int64
  public var usedSlots: Int64
  /// Slots promised by active assignments and agency quotas.
  public var assignedSlots: Int64
  public var status: CampaignStatus
  public var allowedAgencyCodes: [PartyCode]
  /// Nil until the first assignment or reservation.
  public var lock: CampaignLock?
  /// True from the first reservation on, even if that was released.
  public var hasOrders: Bool
  /// Rises by one with every change of the campaign; the sequence of its outbox messages.
  public var version: Int64
  public var deletedAt: Timestamp?
  public let createdAt: Timestamp
  public var updatedAt: Timestamp

  public init(
    id: CampaignID, listing: Listing, owner: CampaignOwner, payout: Money, totalSlots: Int64, usedSlots: Int64 = 0,
    assignedSlots: Int64 = 0, status: CampaignStatus, allowedAgencyCodes: [PartyCode], lock: CampaignLock? = nil,
    hasOrders: Bool = false, version: Int64 = 0, deletedAt: Timestamp? = nil, createdAt: Timestamp,
    updatedAt: Timestamp
  ) {
    self.id = id
    self.listing = listing
    self.owner = owner
    self.payout = payout
    self.totalSlots = totalSlots
    self.usedSlots = usedSlots
    self.assignedSlots = assignedSlots
    self.status = status
    self.allowedAgencyCodes = allowedAgencyCodes
    self.lock = lock
    self.hasOrders = hasOrders
    self.version = version
    self.deletedAt = deletedAt
    self.createdAt = createdAt
    self.updatedAt = updatedAt
  }

  public var isLive: Bool { deletedAt == nil }

  /// Open for orders: not deleted, and switched on by its owner.
  public var takesOrders: Bool { isLive && status == .active }
}
