import Kernel
import Messages
public import Stubs
public import WalletDomain

/// Identity over its internal RPCs.
public struct RemotePartyDirectory: PartyDirectory {
  private let identity: IdentityInternalServiceClient

  public init(_ identity: IdentityInternalServiceClient) {
    self.identity = identity
  }

  public func party(_ id: UserID) async throws -> Party? {
    do {
      let lineage = try await identity.getLineage(IdentityV1.GetLineageRequest(userId: id.rawValue))
      guard let subject = lineage.subject else {
        throw Failure(.internalError, "identity answered without a subject")
      }
      return Party(
        userID: try UserID(subject.userId, path: "subject.userId"),
        role: try Role(subject.role, path: "subject.role"),
        status: try UserStatus(subject.status, path: "subject.status"))
    } catch let failure as Failure where failure.code == .userNotFound {
      return nil
    }
  }
}
