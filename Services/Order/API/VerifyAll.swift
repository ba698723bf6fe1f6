import Access
import Kernel
public import Messages
import OrderDomain
public import RPC

extension OrderService {
  public func verifyAll(
    _ request: OrderV1.VerifyAllRequest, _ context: CallContext
  ) async throws -> OrderV1.VerifyAllResponse {
    let key = try RequestKey(request, context)
    return try await once(key) {
      try await review(request.orderId, context, key, Review.verifyAll) { order, reason in
        OrderV1.VerifyAllResponse(
          approved: order.workflowStatus == .approved, reason: reason, missingProofs: order.wireMissingProofs,
          missingVerifications: order.wireMissingVerifications, order: OrderV1.Order(order, .everything))
      }
    }
  }
}
