import Access
import CampaignDomain
import Kernel
public import Messages
public import RPC

extension CampaignInternalService {
  public func consumeSlot(
    _ request: CampaignV1.ConsumeSlotRequest, _ context: CallContext
  ) async throws -> CampaignV1.ConsumeSlotResponse {
    let order = try OrderID(request.orderId, path: "orderId")
    let step = SlotStep(.consume(order), orderVersion: request.orderVersion)
    let outcome = try await store.apply(step, by: context.actor, at: clock.now())
    return CampaignV1.ConsumeSlotResponse(
      reservation: CampaignV1.Reservation(outcome.reservation), replayed: outcome.replayed)
  }
}
