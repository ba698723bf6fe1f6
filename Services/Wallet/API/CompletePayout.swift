import Access
import Kernel
public import Messages
public import RPC
import WalletDomain

extension WalletService {
  /// A payout that is processing may be completed whatever has become of its beneficiary (DOMAIN 8.6).
  public func completePayout(
    _ request: WalletV1.CompletePayoutRequest, _ context: CallContext
  ) async throws -> WalletV1.CompletePayoutResponse {
    let command = CompletePayout(
      id: try PayoutID(request.payoutId, path: "payoutId"),
      reference: ProviderRef(provider: request.provider, ref: request.providerRef), actor: context.actor)
    return try await perform(command, request, context) {
      WalletV1.CompletePayoutResponse(payout: WalletV1.Payout($0), replayed: $1)
    }
  }
}

extension WalletV1.CompletePayoutResponse: ReplayableResponse {}
