import Access
import Kernel
public import Messages
import OrderDomain
public import RPC

extension OrderService {
  public func getOrder(
    _ request: OrderV1.GetOrderRequest, _ context: CallContext
  ) async throws -> OrderV1.GetOrderResponse {
    let viewer = Viewer(try context.principal())
    let order = try await findOrder(request.orderId)
    let visibility = try Visibility(of: viewer, on: order)
    return OrderV1.GetOrderResponse(order: OrderV1.Order(order, visibility))
  }
}
