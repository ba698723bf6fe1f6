import Access
import IdentityDomain
import Kernel

/// The principals of identity's own calls: read from its store, always fresh.
public struct StoredPrincipals: PrincipalSource {
  private let store: any IdentityStore

  public init(store: any IdentityStore) {
    self.store = store
  }

  public func principal(_ id: UserID, fresh: Bool) async throws -> Principal? {
    guard let lineage = try await store.lineage(of: id) else { return nil }
    let user = lineage.subject
    return Principal(
      userID: user.id, name: user.name, mobile: user.mobile.rawValue, roles: user.roles, status: user.status,
      mediatorCode: user.mediatorCode, parentCode: user.parentCode, brandCode: user.brandCode,
      upstreamActive: lineage.upstreamActive, isVerifiedByMediator: user.isVerifiedByMediator)
  }
}
