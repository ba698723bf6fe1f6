import Access
import Kernel
public import Messages
public import RPC
import WalletDomain

extension WalletService {
  public func cancelPayout(
    _ request: WalletV1.CancelPayoutRequest, _ context: CallContext
  ) async throws -> WalletV1.CancelPayoutResponse {
    let command = CancelPayout(id: try PayoutID(request.payoutId, path: "payoutId"), actor: context.actor)
    // Before the replay, which knows the payout and not the caller.
    try await context.principal().requireOwn(payout(command.id).beneficiary)
    return try await perform(command, request, context) {
      WalletV1.CancelPayoutResponse(payout: WalletV1.Payout($0), replayed: $1)
    }
  }

  /// Fails with `PAYOUT_NOT_FOUND`.
  func payout(_ id: PayoutID) async throws -> Payout {
    guard let payout = try await store.payout(id) else { throw Failure(.payoutNotFound, "there is no payout \(id)") }
    return payout
  }
}

extension WalletV1.CancelPayoutResponse: ReplayableResponse {}
