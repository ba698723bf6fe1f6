import Access
import CampaignDomain
import Kernel
public import Messages
public import RPC

extension CampaignInternalService {
  /// A repetition answers with the reason of the release that took effect.
  public func releaseSlot(
    _ request: CampaignV1.ReleaseSlotRequest, _ context: CallContext
  ) async throws -> CampaignV1.ReleaseSlotResponse {
    let order = try OrderID(request.orderId, path: "orderId")
    let step = SlotStep(.release(order, reason: request.reason), orderVersion: request.orderVersion)
    let outcome = try await store.apply(step, by: context.actor, at: clock.now())
    return CampaignV1.ReleaseSlotResponse(
      reservation: CampaignV1.Reservation(outcome.reservation), replayed: outcome.replayed)
  }
}
