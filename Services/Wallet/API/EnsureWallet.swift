import Access
import Kernel
public import Messages
public import RPC
import WalletDomain

extension WalletService {
  public func ensureWallet(
    _ request: WalletV1.EnsureWalletRequest, _ context: CallContext
  ) async throws -> WalletV1.EnsureWalletResponse {
    let command = try EnsureWallet(
      owner: try UserID(request.ownerUserId, path: "ownerUserId"),
      kind: try OwnerKind(request.ownerKind, path: "ownerKind"), actor: context.actor)
    let (wallet, _) = try await perform(command)
    return WalletV1.EnsureWalletResponse(wallet: WalletV1.Wallet(wallet))
  }
}
