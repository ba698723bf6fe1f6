import Access
import CampaignDomain
import Kernel
public import Messages
public import RPC

extension CampaignInternalService {
  public func unconsumeSlot(
    _ request: CampaignV1.UnconsumeSlotRequest, _ context: CallContext
  ) async throws -> CampaignV1.UnconsumeSlotResponse {
    let order = try OrderID(request.orderId, path: "orderId")
    let step = SlotStep(.unconsume(order), orderVersion: request.orderVersion)
    let outcome = try await store.apply(step, by: context.actor, at: clock.now())
    return CampaignV1.UnconsumeSlotResponse(
      reservation: CampaignV1.Reservation(outcome.reservation), replayed: outcome.replayed)
  }
}
