import Access
import IdentityDomain
import Kernel
import Messages
import RPC

extension IdentityService {
  /// GetMe. Nothing is masked: it is the caller's own.
  public func getMe(
    _ request: IdentityV1.GetMeRequest, _ context: CallContext
  ) async throws -> IdentityV1.GetMeResponse {
    let principal = try context.principal()
    guard let account = try await store.account(principal.userID) else {
      throw Failure(.userNotFound, "the account is gone")
    }
    let documents = account.roleDocuments
    return IdentityV1.GetMeResponse(
      user: IdentityV1.User(account.user), agency: documents.agency.map { IdentityV1.Agency($0) },
      brand: documents.brand.map { IdentityV1.Brand($0) },
      mediatorProfile: documents.mediatorProfile.map { IdentityV1.MediatorProfile($0) },
      shopperProfile: documents.shopperProfile.map { IdentityV1.ShopperProfile($0) },
      connections: account.connections.map { IdentityV1.Connection($0) })
  }
}
