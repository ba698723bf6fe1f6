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

  var isClaim: Bool {
    switch self {
    case .reserve: true
    case .release, .consume, .unconsume: false
    }
  }
}

/// A slot command, and the version of the order that it was written down with.
///
/// Versions of one order only grow, and whoever takes its work over writes a new one first. So a smaller version than
/// an earlier step's tells that the step comes from a driver that was overtaken.
public struct SlotStep: Hashable, Sendable {
  public let command: SlotCommand
  /// 0 when it was not told: such a step is never outdated and outdates nothing.
  public let orderVersion: Int64

  public init(_ command: SlotCommand, orderVersion: Int64 = 0) {
    self.command = command
    self.orderVersion = orderVersion
  }
}

/// The result of a slot command.
public struct SlotOutcome: Hashable, Sendable {
  public let reservation: Reservation
  /// True when this call has changed nothing: an earlier one had already done it, or a later one has overtaken it.
  public let replayed: Bool

  public init(reservation: Reservation, replayed: Bool) {
    self.reservation = reservation
    self.replayed = replayed
  }
}
