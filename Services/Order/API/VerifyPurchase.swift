import Access
import Kernel
public import Messages
import OrderDomain
public import RPC

extension OrderService {
  public func verifyPurchase(
    _ request: OrderV1.VerifyPurchaseRequest, _ context: CallContext
  ) async throws -> OrderV1.VerifyPurchaseResponse {
    let key = try RequestKey(request, context)
    return try await once(key) {
      try await review(request.orderId, context, key, Review.verifyPurchase) { order, reason in
        OrderV1.VerifyPurchaseResponse(
          approved: order.workflowStatus == .approved, reason: reason, missingProofs: order.wireMissingProofs,
          missingVerifications: order.wireMissingVerifications, order: OrderV1.Order(order, .everything))
      }
    }
  }
}

extension Order {
  var wireMissingProofs: [OrderV1.ProofType] { missingProofs.map { .init(domain: $0) } }

  var wireMissingVerifications: [OrderV1.ProofType] { missingVerifications.map { .init(domain: $0.proof) } }
}
