import Access
import Kernel
public import Messages
public import RPC
import WalletDomain

extension WalletService {
  public func deleteWallet(
    _ request: WalletV1.DeleteWalletRequest, _ context: CallContext
  ) async throws -> WalletV1.DeleteWalletResponse {
    guard request.confirm else { throw Failure(.confirmationRequired, "confirm must be true") }
    let command = try CloseWallet(owner: try UserID(request.ownerUserId, path: "ownerUserId"), actor: context.actor)
    return try await perform(command, request, context) { WalletV1.DeleteWalletResponse(replayed: $1) }
  }
}

extension WalletV1.DeleteWalletResponse: ReplayableResponse {}
