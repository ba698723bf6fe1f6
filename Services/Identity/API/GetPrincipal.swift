import Access
import Kernel
import Messages
import RPC

extension IdentityInternalService {
  /// GetPrincipal: always read now. Whoever may live with an older answer caches it.
  public func getPrincipal(
    _ request: IdentityV1.GetPrincipalRequest, _ context: CallContext
  ) async throws -> IdentityV1.GetPrincipalResponse {
    let id = try UserID(request.userId, path: "userId")
    guard let principal = try await StoredPrincipals(store: store).principal(id, fresh: true) else {
      throw Failure(.userNotFound, "there is no such user")
    }
    return IdentityV1.GetPrincipalResponse(principal: principal.message)
  }
}
