public import Kernel

/// The audit entry that a slot change leaves behind (DOMAIN 10): only giving a slot back is recorded, because the
/// other steps are recorded by the order service as part of the order.
public struct SlotReleaseEntry: Hashable, Sendable {
  public static let action = "CAMPAIGN_SLOT_RELEASED"
  public static let entityType = "Campaign"

  public let campaignID: CampaignID
  public let orderID: OrderID
  public let reason: String

  /// Nil unless the change gives the slot back.
  public init?(_ change: SlotChange) {
    guard change.reservation.state == .released else { return nil }
    campaignID = change.reservation.campaignID
    orderID = change.reservation.orderID
    reason = change.reservation.releasedReason ?? ""
  }

  /// The same for every repetition: a slot is given back at most once in the life of an order.
  public var eventKey: String { "slot-released/\(orderID)" }
}
