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

  /// The kind of wallet that this person has. Fails with `INVALID_BENEFICIARY` for staff.
  func ownerKind() throws(Failure) -> OwnerKind {
    switch role {
    case .shopper: .shopper
    case .mediator: .mediator
    case .agency: .agency
    case .brand: .brand
    case .ops, .admin: throw Failure(.invalidBeneficiary, "staff have no wallet")
    }
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

/// What a payout depends on besides the books.
public struct PayoutProfile: Hashable, Sendable {
  public let kind: OwnerKind
  /// The agency above, or the own.
  public let agencyCode: PartyCode?
  /// Nil when none is stored.
  public let destination: PayoutDestination?

  public init(kind: OwnerKind, agencyCode: PartyCode?, destination: PayoutDestination?) {
    self.kind = kind
    self.agencyCode = agencyCode
    self.destination = destination
  }
}

/// Somebody who is to be paid.
public struct PayoutBeneficiary: Hashable, Sendable {
  public let party: Party
  /// False when the mediator or the agency above is missing or not active.
  public let upstreamActive: Bool
  public let isKYCVerified: Bool
  public let agencyCode: PartyCode?
  public let destination: PayoutDestination?

  public init(
    party: Party, upstreamActive: Bool, isKYCVerified: Bool, agencyCode: PartyCode?, destination: PayoutDestination?
  ) {
    self.party = party
    self.upstreamActive = upstreamActive
    self.isKYCVerified = isKYCVerified
    self.agencyCode = agencyCode
    self.destination = destination
  }

  /// Fails with `INVALID_BENEFICIARY` for staff, who have no wallet.
  public func profile() throws(Failure) -> PayoutProfile {
    PayoutProfile(kind: try party.ownerKind(), agencyCode: agencyCode, destination: destination)
  }

  /// Mediators and agencies are paid once they are known. Fails with `KYC_REQUIRED`.
  public func requireKYC() throws(Failure) {
    switch party.role {
    case .mediator, .agency:
      guard isKYCVerified else { throw Failure(.kycRequired, "the KYC documents are not verified yet") }
    case .shopper, .brand, .ops, .admin: break
    }
  }

  /// Nobody is paid while suspended, nor below somebody who is. Fails with `FROZEN_SUSPENSION`.
  public func requireActive() throws(Failure) {
    guard party.status == .active, upstreamActive else {
      throw Failure(.frozenSuspension, "the beneficiary, or somebody above, is not active")
    }
  }
}

/// A brand and an agency, and whether the one works with the other.
public struct BrandAgencyLink: Hashable, Sendable {
  public struct Side: Hashable, Sendable {
    public let name: String
    public let code: PartyCode
    public let status: UserStatus

    public init(name: String, code: PartyCode, status: UserStatus) {
      self.name = name
      self.code = code
      self.status = status
    }
  }

  /// Nil when the id is no brand's.
  public let brand: Side?
  /// Nil when the id is no agency's.
  public let agency: Side?
  public let isConnected: Bool

  public init(brand: Side?, agency: Side?, isConnected: Bool) {
    self.brand = brand
    self.agency = agency
    self.isConnected = isConnected
  }

  /// What a payment remembers of the two. Existence comes before scope, and scope before state.
  ///
  /// Fails with `BRAND_NOT_FOUND`, `AGENCY_NOT_FOUND`, `FORBIDDEN`, `BRAND_NOT_ACTIVE` or `AGENCY_NOT_ACTIVE`.
  public func payment(byStaff: Bool) throws(Failure) -> PayAgency.Names {
    guard let brand else { throw Failure(.brandNotFound, "there is no such brand") }
    guard let agency else { throw Failure(.agencyNotFound, "there is no such agency") }
    guard isConnected || byStaff else { throw Failure(.forbidden, "the brand is not connected to this agency") }
    guard brand.status == .active else { throw Failure(.brandNotActive, "the brand is \(brand.status.rawValue)") }
    guard agency.status == .active else { throw Failure(.agencyNotActive, "the agency is \(agency.status.rawValue)") }
    return PayAgency.Names(brand: brand.name, agency: agency.name, agencyCode: agency.code)
  }
}

/// Who somebody is, according to identity. Nothing is cached: money moves by the answers.
public protocol PartyDirectory: Sendable {
  /// Nil when there is no such user.
  func party(_ id: UserID) async throws -> Party?

  /// Nil when there is no such user.
  func beneficiary(_ id: UserID) async throws -> PayoutBeneficiary?

  func link(brand: UserID, agency: UserID) async throws -> BrandAgencyLink
}
