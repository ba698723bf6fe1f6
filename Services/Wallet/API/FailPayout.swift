import Access
import Kernel
public import Messages
public import RPC
import WalletDomain

extension WalletService {
  public func failPayout(
    _ request: WalletV1.FailPayoutRequest, _ context: CallContext
  ) async throws -> WalletV1.FailPayoutResponse {
    let command = FailPayout(
      id: try PayoutID(request.payoutId, path: "payoutId"), failureCode: request.failureCode,
      failureMessage: request.failureMessage, actor: context.actor)
    return try await perform(command, request, context) {
      WalletV1.FailPayoutResponse(payout: WalletV1.Payout($0), replayed: $1)
    }
  }
}

extension WalletV1.FailPayoutResponse: ReplayableResponse {}
