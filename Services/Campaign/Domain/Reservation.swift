public import Kernel

/// One slot taken by one order.
///
/// `held -> consumed` when the order settles and back when it is unsettled; `held -> released` when the order fails.
/// Released is final: an order that failed never takes its slot again.
public struct Reservation: Hashable, Sendable {
  public enum State: String, CaseIterable, Hashable, Sendable {
    case held, consumed, released
  }

  public let id: ReservationID
  public let orderID: OrderID
  public let campaignID: CampaignID
  public let mediatorCode: PartyCode
  public let agencyCode: PartyCode
  public var state: State
  /// Present exactly when released.
  public var releasedReason: String?
  /// The largest version of the order that a step has carried; 0 before any has.
  public var orderVersion: Int64
  public let createdAt: Timestamp
  public var updatedAt: Timestamp

  public init(
    id: ReservationID, orderID: OrderID, campaignID: CampaignID, mediatorCode: PartyCode, agencyCode: PartyCode,
    state: State, releasedReason: String? = nil, orderVersion: Int64 = 0, createdAt: Timestamp, updatedAt: Timestamp
  ) {
    self.id = id
    self.orderID = orderID
    self.campaignID = campaignID
    self.mediatorCode = mediatorCode
    self.agencyCode = agencyCode
    self.state = state
    self.releasedReason = releasedReason
    self.orderVersion = orderVersion
    self.createdAt = createdAt
    self.updatedAt = updatedAt
  }

  public static func notFound(_ order: OrderID) -> Failure {
    Failure(.reservationNotFound, "order \(order) has no reservation")
  }
}
