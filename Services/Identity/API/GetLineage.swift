import IdentityDomain
import Kernel
import Messages
import RPC

extension IdentityInternalService {
  /// GetLineage: by user id or by code, suspended parties included.
  public func getLineage(
    _ request: IdentityV1.GetLineageRequest, _ context: CallContext
  ) async throws -> IdentityV1.GetLineageResponse {
    guard let lineage = try await lineage(userID: request.userId, code: request.code) else {
      throw Failure(.userNotFound, "there is no such user")
    }
    return IdentityV1.GetLineageResponse(
      subject: IdentityV1.Party(lineage.subject), mediator: lineage.mediator.map { IdentityV1.Party($0) },
      agency: lineage.agency.map { IdentityV1.Party($0) })
  }

  private func lineage(userID: String?, code: String?) async throws -> Lineage? {
    switch (userID, code) {
    case (let text?, nil):
      return try await store.lineage(of: try UserID(text, path: "userId"))
    case (nil, let text?):
      guard let code = PartyCode(text) else { throw Failure.validation("code", "is not a code") }
      return try await store.lineage(ofCode: code)
    case (nil, nil), (.some, .some):
      throw Failure.validation("userId", "or code must be given, and not both")
    }
  }
}
