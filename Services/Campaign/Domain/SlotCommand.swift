public import Kernel

/// Which slot an order asks for.
public struct SlotClaim: Hashable, Sendable {
  public let orderID: OrderID
  public let campaignID: CampaignID
  public let mediatorCode: PartyCode
  public let agencyCode: PartyCode

  public init(orderID: OrderID, campaignID: CampaignID, mediatorCode: PartyCode, agencyCode: PartyCode) {
    self.orderID = orderID
    self.campaignID = campaignID
    self.mediatorCode = mediatorCode
    self.agencyCode = agencyCode
  }

  /// The codes whose assignments of the campaign count this order.
  public var codes: [PartyCode] {
    mediatorCode == agencyCode ? [mediatorCode] : [mediatorCode, agencyCode]
  }
}

/// A step in the life of one order's slot. The order id is its idempotency key; every step may be repeated.
public enum SlotCommand: Hashable, Sendable {
  case reserve(SlotClaim)
  case release(OrderID, reason: String)
  case consume(OrderID)
  case unconsume(OrderID)

  public var orderID: OrderID {
    switch self {
    case .reserve(let claim): claim.orderID
    case .release(let order, _), .consume(let order), .unconsume(let order): order
    }
  }
}

/// The result of a slot command.
public struct SlotOutcome: Hashable, Sendable {
  public let reservation: Reservation
  /// True when an earlier call had already done it.
  public let replayed: Bool

  public init(reservation: Reservation, replayed: Bool) {
    self.reservation = reservation
    self.replayed = replayed
  }
}
