import CampaignDomain
import Kernel
public import Messages
public import RPC

extension CampaignInternalService {
  public func getDealForOrder(
    _ request: CampaignV1.GetDealForOrderRequest, _ context: CallContext
  ) async throws -> CampaignV1.GetDealForOrderResponse {
    let id = try DealID(request.dealId, path: "dealId")
    let mediator = try PartyCode(request.mediatorCode, path: "mediatorCode")
    let agency = try PartyCode(request.agencyCode, path: "agencyCode")
    guard let offer = try await store.offer(id, mediator: mediator, agency: agency) else {
      throw DealOffer.notFound(id)
    }
    let terms = try offer.terms(mediator: mediator, agency: agency)
    return CampaignV1.GetDealForOrderResponse(deal: CampaignV1.DealSnapshot(terms))
  }
}
