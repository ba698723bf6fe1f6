import RPC
import Stubs

/// What the gateway answers itself, by composing answers of services. It decides nothing.
public struct GatewayService: GatewayServiceHandlers {
  let identity: IdentityServiceClient
  let wallet: WalletServiceClient

  public init(identity: IdentityServiceClient, wallet: WalletServiceClient) {
    self.identity = identity
    self.wallet = wallet
  }
}
