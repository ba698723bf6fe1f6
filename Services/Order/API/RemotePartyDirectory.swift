public import Kernel
import Messages
public import OrderDomain
public import Stubs

/// Identity over its internal RPCs. Never cached: what it says decides whether money moves.
public struct RemotePartyDirectory: PartyDirectory {
  private let identity: IdentityInternalServiceClient

  public init(_ identity: IdentityInternalServiceClient) { self.identity = identity }

  public func lineage(of user: UserID) async throws -> Lineage? {
    try await ask(IdentityV1.GetLineageRequest(userId: user.rawValue))
  }

  public func lineage(of code: PartyCode) async throws -> Lineage? {
    try await ask(IdentityV1.GetLineageRequest(code: code.rawValue))
  }

  private func ask(_ request: IdentityV1.GetLineageRequest) async throws -> Lineage? {
    do {
      let response = try await identity.getLineage(request)
      guard let subject = response.subject else { throw Malformed.field("subject") }
      return Lineage(
        subject: try Party(subject), mediator: try response.mediator.map { try Party($0) },
        agency: try response.agency.map { try Party($0) })
    } catch let failure as Failure where failure.code == .userNotFound {
      return nil
    }
  }
}

extension Party {
  fileprivate init(_ party: IdentityV1.Party) throws {
    guard let userID = UserID(party.userId), let status = party.status.stored.flatMap(UserStatus.init(rawValue:))
    else {
      throw Malformed.field("party")
    }
    self.init(
      userID: userID, name: party.name, mobile: party.mobile, status: status,
      code: party.code.flatMap { PartyCode($0) },
      payoutFingerprints: Set(party.payoutFingerprints))
  }
}
