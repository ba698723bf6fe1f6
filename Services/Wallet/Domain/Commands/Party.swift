import Kernel

/// What wallet has to know about a person; it keeps nobody itself.
public struct Party: Hashable, Sendable {
  public let userID: UserID
  public let role: Role
  public let status: UserStatus

  public init(userID: UserID, role: Role, status: UserStatus) {
    self.userID = userID
    self.role = role
    self.status = status
  }

  /// The kind of wallet that a deposit to this person goes to.
  ///
  /// Fails with `INVALID_BENEFICIARY` for shoppers and staff, then `FROZEN_SUSPENSION` for whoever is not active.
  public func depositKind() throws(Failure) -> OwnerKind {
    let kind: OwnerKind
    switch role {
    case .brand: kind = .brand
    case .agency: kind = .agency
    case .mediator: kind = .mediator
    case .shopper, .ops, .admin:
      throw Failure(.invalidBeneficiary, "deposits go to brands, agencies and mediators")
    }
    guard status == .active else { throw Failure(.frozenSuspension, "the owner is \(status.rawValue)") }
    return kind
  }
}

/// Who somebody is, according to identity.
public protocol PartyDirectory: Sendable {
  /// Nil when there is no such user. Never cached: money moves by the answer.
  func party(_ id: UserID) async throws -> Party?
}
