import Kernel
import Messages
import RPC

extension GatewayService {
  /// GetMe: identity's answer with the wallet. Both calls run at once, each with the caller's own token.
  public func getMe(
    _ request: GatewayV1.GetMeRequest, _ context: CallContext
  ) async throws -> GatewayV1.GetMeResponse {
    async let person = identity.getMe(IdentityV1.GetMeRequest())
    async let wallet = ownWallet()
    let me = try await person
    return GatewayV1.GetMeResponse(
      user: me.user, agency: me.agency, brand: me.brand, mediatorProfile: me.mediatorProfile,
      shopperProfile: me.shopperProfile, connections: me.connections, wallet: try await wallet)
  }

  /// Nil for staff, who have no wallet, and for somebody whose wallet is not open yet.
  private func ownWallet() async throws -> WalletV1.Wallet? {
    do {
      return try await wallet.getWallet(WalletV1.GetWalletRequest()).wallet
    } catch let failure as Failure where failure.code == .walletNotFound {
      return nil
    }
  }
}
