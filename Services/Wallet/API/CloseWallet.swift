import Access
import Kernel
public import Messages
public import RPC
import WalletDomain

extension WalletService {
  public func closeWallet(
    _ request: WalletV1.CloseWalletRequest, _ context: CallContext
  ) async throws -> WalletV1.CloseWalletResponse {
    let command = try CloseWallet(owner: try UserID(request.ownerUserId, path: "ownerUserId"), actor: context.actor)
    do {
      _ = try await perform(command)
      return WalletV1.CloseWalletResponse(closed: true)
    } catch let failure as Failure where failure.code == .walletNotFound {
      // It was closed before, or there never was one: either way there is none now.
      return WalletV1.CloseWalletResponse(closed: false)
    }
  }
}
