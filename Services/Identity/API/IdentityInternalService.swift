import Access
import IdentityDomain
import RPC
import Stubs

/// What the other services ask of identity. Callers are checked against the proto's list before a handler runs.
public struct IdentityInternalService: IdentityInternalServiceHandlers {
  let store: any IdentityStore
  let signingKeys: any SigningKeySource

  public init(store: any IdentityStore, signingKeys: any SigningKeySource) {
    self.store = store
    self.signingKeys = signingKeys
  }
}
