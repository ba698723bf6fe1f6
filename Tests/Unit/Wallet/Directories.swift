import Kernel
import Testing
import WalletDomain

/// Fails a test that asks.
struct NobodyIsAsked: PartyDirectory {
  func party(_ id: UserID) async throws -> Party? {
    Issue.record("identity was asked for \(id)")
    return nil
  }

  func beneficiary(_ id: UserID) async throws -> PayoutBeneficiary? {
    Issue.record("identity was asked for the beneficiary \(id)")
    return nil
  }

  func link(brand: UserID, agency: UserID) async throws -> BrandAgencyLink {
    Issue.record("identity was asked for \(brand) and \(agency)")
    return BrandAgencyLink(brand: nil, agency: nil, isConnected: false)
  }
}

/// Everybody is the same person; nobody without a role.
struct OnePerson: PartyDirectory {
  let role: Role?
  let status: UserStatus

  func party(_ id: UserID) async throws -> Party? {
    role.map { Party(userID: id, role: $0, status: status) }
  }

  func beneficiary(_ id: UserID) async throws -> PayoutBeneficiary? {
    role.map { .sample(id, $0, status: status) }
  }

  func link(brand: UserID, agency: UserID) async throws -> BrandAgencyLink {
    BrandAgencyLink(brand: nil, agency: nil, isConnected: false)
  }
}

/// Answers every question with what it was given.
struct FixedDirectory: PartyDirectory {
  var beneficiaries: [UserID: PayoutBeneficiary] = [:]
  var link = BrandAgencyLink(brand: .sample("BRD_TEST"), agency: .sample("AGY_TEST"), isConnected: true)

  func party(_ id: UserID) async throws -> Party? { beneficiaries[id]?.party }
  func beneficiary(_ id: UserID) async throws -> PayoutBeneficiary? { beneficiaries[id] }
  func link(brand: UserID, agency: UserID) async throws -> BrandAgencyLink { link }
}

extension BrandAgencyLink.Side {
  static func sample(_ code: String, status: UserStatus = .active) -> BrandAgencyLink.Side {
    BrandAgencyLink.Side(name: "The \(code)", code: PartyCode(code)!, status: status)
  }
}

extension PayoutBeneficiary {
  static func sample(
    _ id: UserID, _ role: Role = .mediator, status: UserStatus = .active, upstreamActive: Bool = true,
    isKYCVerified: Bool = true, agency: String? = "AGY_TEST", destination: PayoutDestination? = .upi("a@upi")
  ) -> PayoutBeneficiary {
    PayoutBeneficiary(
      party: Party(userID: id, role: role, status: status), upstreamActive: upstreamActive,
      isKYCVerified: isKYCVerified, agencyCode: agency.flatMap { PartyCode($0) }, destination: destination)
  }
}
