import Access
import Kernel
public import Messages
public import RPC
import WalletDomain

extension WalletService {
  public func getBalanceAt(
    _ request: WalletV1.GetBalanceAtRequest, _ context: CallContext
  ) async throws -> WalletV1.GetBalanceAtResponse {
    let caller = try context.principal()
    let owner = try request.ownerUserId.map { try UserID($0, path: "ownerUserId") } ?? caller.userID
    guard let moment = request.at?.kernel else { throw Failure.validation("at", "must be given") }
    guard let wallet = try await store.wallet(of: owner) else {
      throw Failure(.walletNotFound, "\(owner) has no wallet")
    }
    try caller.requireOwn(owner)
    let past = try await store.balances(of: wallet.id, at: moment)
    return WalletV1.GetBalanceAtResponse(
      walletId: wallet.id.rawValue, at: moment.message, availablePaise: past.balances.available.paise,
      lockedPaise: past.balances.locked.paise, pendingPaise: past.balances.pending.paise, version: past.version)
  }
}
