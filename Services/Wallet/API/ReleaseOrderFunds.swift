import Access
import Kernel
public import Messages
public import RPC
import WalletDomain

extension WalletService {
  public func releaseOrderFunds(
    _ request: WalletV1.ReleaseOrderFundsRequest, _ context: CallContext
  ) async throws -> WalletV1.ReleaseOrderFundsResponse {
    let command = ReleaseOrderFunds(
      number: HoldNumber(order: try OrderID(request.orderId, path: "orderId"), seq: request.holdSeq),
      reason: request.reason, actor: context.actor)
    let (hold, replayed) = try await perform(command)
    return WalletV1.ReleaseOrderFundsResponse(hold: WalletV1.Hold(hold), replayed: replayed)
  }
}
