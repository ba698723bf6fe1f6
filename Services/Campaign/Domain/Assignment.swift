public import Kernel

/// Slots of a campaign set aside for one code: a mediator's share, or the quota of an agency for all its mediators.
public struct Assignment: Hashable, Sendable {
  public enum CodeKind: String, CaseIterable, Hashable, Sendable {
    case mediator, agency
  }

  public let id: AssignmentID
  public let campaignID: CampaignID
  public let code: PartyCode
  public let codeKind: CodeKind
  /// The mediator's agency, or `code` itself for a quota.
  public let agencyCode: PartyCode
  /// Zero means that the code has no share of its own and draws on the campaign's slots.
  public var limit: Int64
  /// Reservations held or consumed under this code.
  public var usedSlots: Int64
  /// Reservations consumed under this code.
  public var settledSlots: Int64
  /// Replaces the campaign's payout for this code.
  public var payout: Money?
  /// The commission suggested to the mediator who publishes a deal.
  public var commission: Money?
  public var isActive: Bool
  public let assignedBy: UserID
  public var version: Int64
  public let createdAt: Timestamp
  public var updatedAt: Timestamp

  public init(
    id: AssignmentID, campaignID: CampaignID, code: PartyCode, codeKind: CodeKind, agencyCode: PartyCode,
    limit: Int64, usedSlots: Int64 = 0, settledSlots: Int64 = 0, payout: Money? = nil, commission: Money? = nil,
    isActive: Bool = true, assignedBy: UserID, version: Int64 = 0, createdAt: Timestamp, updatedAt: Timestamp
  ) {
    self.id = id
    self.campaignID = campaignID
    self.code = code
    self.codeKind = codeKind
    self.agencyCode = agencyCode
    self.limit = limit
    self.usedSlots = usedSlots
    self.settledSlots = settledSlots
    self.payout = payout
    self.commission = commission
    self.isActive = isActive
    self.assignedBy = assignedBy
    self.version = version
    self.createdAt = createdAt
    self.updatedAt = updatedAt
  }

  /// Slots of the share that are still free; nil when the code has no share of its own.
  ///
  /// Zero, not negative, after staff lowered the limit below what is in use.
  public var freeSlots: Int64? {
    limit > 0 ? max(0, limit - usedSlots) : nil
  }

  /// True when no further order of this code may be settled (DOMAIN 9.6).
  public var isSettledUp: Bool {
    limit > 0 && settledSlots >= limit
  }
}
