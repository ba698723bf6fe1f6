import CampaignDomain
import Kernel
public import Messages
public import RPC

extension CampaignInternalService {
  public func getReservation(
    _ request: CampaignV1.GetReservationRequest, _ context: CallContext
  ) async throws -> CampaignV1.GetReservationResponse {
    let order = try OrderID(request.orderId, path: "orderId")
    guard let reservation = try await store.reservation(of: order) else { throw Reservation.notFound(order) }
    return CampaignV1.GetReservationResponse(reservation: CampaignV1.Reservation(reservation))
  }
}
