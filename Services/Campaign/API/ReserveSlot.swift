import Access
import CampaignDomain
import Kernel
public import Messages
public import RPC

extension CampaignInternalService {
  public func reserveSlot(
    _ request: CampaignV1.ReserveSlotRequest, _ context: CallContext
  ) async throws -> CampaignV1.ReserveSlotResponse {
    let claim = SlotClaim(
      orderID: try OrderID(request.orderId, path: "orderId"),
      campaignID: try CampaignID(request.campaignId, path: "campaignId"),
      mediatorCode: try PartyCode(request.mediatorCode, path: "mediatorCode"),
      agencyCode: try PartyCode(request.agencyCode, path: "agencyCode"))
    let step = SlotStep(.reserve(claim), orderVersion: request.orderVersion)
    let outcome = try await store.apply(step, by: context.actor, at: clock.now())
    return CampaignV1.ReserveSlotResponse(
      reservation: CampaignV1.Reservation(outcome.reservation), replayed: outcome.replayed)
  }
}
