import Access
import Kernel
public import Messages
public import RPC
import WalletDomain

extension WalletService {
  public func unsettleOrderFunds(
    _ request: WalletV1.UnsettleOrderFundsRequest, _ context: CallContext
  ) async throws -> WalletV1.UnsettleOrderFundsResponse {
    let command = try UnsettleOrderFunds(
      settlement: SettlementNumber(
        order: try OrderID(request.orderId, path: "orderId"), seq: request.settlementSeq),
      newHoldSeq: request.newHoldSeq, resolve: request.resolve, voidedTries: request.voidedTries,
      actor: context.actor)
    let (answer, replayed) = try await perform(command)
    return WalletV1.UnsettleOrderFundsResponse(
      postingId: answer.posting.text, hold: WalletV1.Hold(answer.hold), replayed: replayed)
  }
}
