import Access
import Messages
import RPC

extension IdentityInternalService {
  /// GetSigningKeys. Public keys only; the private halves never leave the process.
  public func getSigningKeys(
    _ request: IdentityV1.GetSigningKeysRequest, _ context: CallContext
  ) async throws -> IdentityV1.GetSigningKeysResponse {
    IdentityV1.GetSigningKeysResponse(keys: try await signingKeys.signingKeys().map(\.jsonWebKey))
  }
}
