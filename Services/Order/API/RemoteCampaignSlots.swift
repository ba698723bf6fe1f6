import Access
public import Kernel
import Messages
public import OrderDomain
public import Stubs

/// Campaign over its internal RPCs, each made for the person whose order it is.
public struct RemoteCampaignSlots: CampaignSlots {
  private let campaign: CampaignInternalServiceClient

  public init(_ campaign: CampaignInternalServiceClient) { self.campaign = campaign }

  public func deal(_ id: DealID, for shopper: Shopper, as actor: Actor) async throws -> DealTerms {
    let response = try await ActingFor.$current.withValue(actor) {
      try await campaign.getDealForOrder(
        CampaignV1.GetDealForOrderRequest(
          dealId: id.rawValue, mediatorCode: shopper.mediatorCode.rawValue, agencyCode: shopper.agencyCode.rawValue))
    }
    guard let deal = response.deal else { throw Malformed.field("deal") }
    return try DealTerms(deal)
  }

  public func reserve(for order: Order, as actor: Actor) async throws {
    _ = try await ActingFor.$current.withValue(actor) {
      try await campaign.reserveSlot(
        CampaignV1.ReserveSlotRequest(
          orderId: order.id.rawValue, campaignId: order.campaignID.rawValue,
          mediatorCode: order.mediatorCode.rawValue, agencyCode: order.agencyCode.rawValue,
          orderVersion: order.version))
    }
  }

  public func reservation(of order: OrderID, as actor: Actor) async throws -> SlotState? {
    do {
      let response = try await ActingFor.$current.withValue(actor) {
        try await campaign.getReservation(CampaignV1.GetReservationRequest(orderId: order.rawValue))
      }
      guard let state = response.reservation?.state.stored.flatMap(SlotState.init(rawValue:)) else {
        throw Malformed.field("reservation.state")
      }
      return state
    } catch let failure as Failure where failure.code == .reservationNotFound {
      return nil
    }
  }

  public func consume(for order: OrderID, version: Int64, as actor: Actor) async throws {
    _ = try await ActingFor.$current.withValue(actor) {
      try await campaign.consumeSlot(CampaignV1.ConsumeSlotRequest(orderId: order.rawValue, orderVersion: version))
    }
  }

  public func unconsume(for order: OrderID, version: Int64, as actor: Actor) async throws {
    _ = try await ActingFor.$current.withValue(actor) {
      try await campaign.unconsumeSlot(
        CampaignV1.UnconsumeSlotRequest(orderId: order.rawValue, orderVersion: version))
    }
  }

  public func release(for order: OrderID, version: Int64, reason: String, as actor: Actor) async throws {
    _ = try await ActingFor.$current.withValue(actor) {
      try await campaign.releaseSlot(
        CampaignV1.ReleaseSlotRequest(orderId: order.rawValue, reason: reason, orderVersion: version))
    }
  }

  /// Reservations in one answer; campaign gives no more.
  private static let heldMax: Int32 = 200

  public func held(before moment: Timestamp, from place: String?) async throws -> HeldSlots {
    let response = try await ActingFor.$current.withValue(.system) {
      try await campaign.listHeldReservations(
        CampaignV1.ListHeldReservationsRequest(
          createdBefore: GoogleProtobuf.Timestamp(moment), pageSize: Self.heldMax, cursor: place ?? ""))
    }
    let orders = try response.items.map { reservation in
      guard let id = OrderID(reservation.orderId) else { throw Malformed.field("items.order_id") }
      return id
    }
    return HeldSlots(orders: orders, next: response.nextCursor.isEmpty ? nil : response.nextCursor)
  }
}

/// Another service has answered something that its proto does not allow.
enum Malformed: Error {
  case field(String)
}

extension DealTerms {
  fileprivate init(_ deal: CampaignV1.DealSnapshot) throws {
    guard let dealID = DealID(deal.dealId), let campaignID = CampaignID(deal.campaignId),
      let ownerID = UserID(deal.ownerUserId), let type = deal.dealType.stored.flatMap(DealType.init(rawValue:)),
      let ownerKind = deal.ownerKind.stored.flatMap(OwnerKind.init(rawValue:))
    else { throw Malformed.field("deal") }
    self.init(
      dealID: dealID, campaignID: campaignID, ownerUserID: ownerID, ownerKind: ownerKind, brandName: deal.brandName,
      title: deal.title, image: deal.image, platform: deal.platform, dealType: type,
      commission: Money(paise: deal.commissionPaise), payout: Money(paise: deal.payoutPaise),
      returnWindowDays: deal.returnWindowDays)
  }
}
