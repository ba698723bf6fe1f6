import CampaignDomain
import Kernel
public import Messages
public import RPC

extension CampaignInternalService {
  public func consumeSlot(
    _ request: CampaignV1.ConsumeSlotRequest, _ context: CallContext
  ) async throws -> CampaignV1.ConsumeSlotResponse {
    let order = try OrderID(request.orderId, path: "orderId")
    let outcome = try await store.apply(.consume(order), requestID: context.requestID, at: clock.now())
    return CampaignV1.ConsumeSlotResponse(
      reservation: CampaignV1.Reservation(outcome.reservation), replayed: outcome.replayed)
  }
}
