import Access
import Kernel
public import Messages
public import RPC

extension WalletService {
  public func getWallet(
    _ request: WalletV1.GetWalletRequest, _ context: CallContext
  ) async throws -> WalletV1.GetWalletResponse {
    let caller = try context.principal()
    let owner = try request.ownerUserId.map { try UserID($0, path: "ownerUserId") } ?? caller.userID
    guard let wallet = try await store.wallet(of: owner) else {
      throw Failure(.walletNotFound, "\(owner) has no wallet")
    }
    guard owner == caller.userID || caller.isPrivileged else {
      throw Failure(.forbidden, "this wallet belongs to somebody else")
    }
    return WalletV1.GetWalletResponse(wallet: WalletV1.Wallet(wallet))
  }
}
