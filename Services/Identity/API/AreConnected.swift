import IdentityDomain
import Kernel
import Messages
import RPC

extension IdentityInternalService {
  /// AreConnected: suspended parties are told with their status; whether that matters is for the caller to say.
  public func areConnected(
    _ request: IdentityV1.AreConnectedRequest, _ context: CallContext
  ) async throws -> IdentityV1.AreConnectedResponse {
    let brand = try await store.account(try UserID(request.brandUserId, path: "brandUserId"))
    let agency = try await store.lineage(of: try UserID(request.agencyUserId, path: "agencyUserId"))?.subject
    let paying = brand?.user.roles.contains(.brand) == true ? brand : nil
    let paid = agency?.roles.contains(.agency) == true ? agency : nil
    // The brand's own set, which its approved connections keep in step (DOMAIN 3.1).
    let codes = paying?.roleDocuments.brand?.connectedAgencyCodes ?? []
    return IdentityV1.AreConnectedResponse(
      connected: paid?.mediatorCode.map(codes.contains) ?? false,
      brand: paying.map { IdentityV1.Party($0.user) }, agency: paid.map { IdentityV1.Party($0) })
  }
}
