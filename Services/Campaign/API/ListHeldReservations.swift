import CampaignDomain
import Kernel
public import Messages
public import RPC

extension CampaignInternalService {
  /// A cursor stays good when `createdBefore` moves on: the list only grows at its end.
  public func listHeldReservations(
    _ request: CampaignV1.ListHeldReservationsRequest, _ context: CallContext
  ) async throws -> CampaignV1.ListHeldReservationsResponse {
    guard let moment = request.createdBefore?.kernel else { throw Failure.validation("createdBefore", "is required") }
    let filters = ["ListHeldReservations"]
    let page = try PageRequest(size: request.pageSize, cursor: request.cursor, includeTotal: false, filters: filters)
    let held = try await store.heldReservations(before: moment, page: page)
    return CampaignV1.ListHeldReservationsResponse(
      items: held.items.map(CampaignV1.Reservation.init), nextCursor: held.next?.text(filters: filters) ?? "")
  }
}
