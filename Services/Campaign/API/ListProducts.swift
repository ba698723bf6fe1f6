import Access
import CampaignDomain
import Kernel
public import Messages
public import RPC

extension CampaignService {
  /// A shopper without a mediator sees an empty list, not a refusal: browsing is open, there is only nothing to see.
  public func listProducts(
    _ request: CampaignV1.ListProductsRequest, _ context: CallContext
  ) async throws -> CampaignV1.ListProductsResponse {
    let mediator = try context.principal().parentCode
    let dealType = try DealType(filter: request.dealType, path: "dealType")
    let filters = [
      "ListProducts", mediator?.rawValue ?? "", "search=\(request.search ?? "")",
      "platform=\(request.platform ?? "")", "dealType=\(dealType?.rawValue ?? "")",
    ]
    let page = try PageRequest(
      size: request.pageSize, cursor: request.cursor, includeTotal: request.includeTotal, filters: filters,
      limits: pageLimits)
    guard let mediator else {
      return CampaignV1.ListProductsResponse(total: request.includeTotal ? 0 : nil)
    }
    let products = try await store.products(
      ProductQuery(
        mediatorCode: mediator, agencyCode: try await agencies.agency(of: mediator), search: request.search,
        platform: request.platform, dealType: dealType, page: page))
    return CampaignV1.ListProductsResponse(
      items: products.items.map(CampaignV1.Product.init), nextCursor: products.next?.text(filters: filters) ?? "",
      total: products.total)
  }
}
