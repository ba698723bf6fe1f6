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
      return try Party(subject, path: "subject")
    } catch let failure as Failure where failure.code == .userNotFound {
      return nil
    }
  }

  public func beneficiary(_ id: UserID) async throws -> PayoutBeneficiary? {
    do {
      let found = try await identity.getPayoutDestination(
        IdentityV1.GetPayoutDestinationRequest(userId: id.rawValue))
      guard let party = found.beneficiary else {
        throw Failure(.internalError, "identity answered without a beneficiary")
      }
      return PayoutBeneficiary(
        party: try Party(party, path: "beneficiary"), upstreamActive: found.upstreamActive,
        isKYCVerified: found.kycStatus == .verified, agencyCode: found.agencyCode.flatMap { PartyCode($0) },
        destination: PayoutDestination(found))
    } catch let failure as Failure where failure.code == .userNotFound {
      return nil
    }
  }

  public func link(brand: UserID, agency: UserID) async throws -> BrandAgencyLink {
    let found = try await identity.areConnected(
      IdentityV1.AreConnectedRequest(brandUserId: brand.rawValue, agencyUserId: agency.rawValue))
    return BrandAgencyLink(
      brand: try found.brand.map { try BrandAgencyLink.Side($0, path: "brand") },
      agency: try found.agency.map { try BrandAgencyLink.Side($0, path: "agency") }, isConnected: found.connected)
  }
}

extension Party {
  fileprivate init(_ party: IdentityV1.Party, path: String) throws {
    self.init(
      userID: try UserID(party.userId, path: "\(path).userId"), role: try Role(party.role, path: "\(path).role"),
      status: try UserStatus(party.status, path: "\(path).status"))
  }
}

extension BrandAgencyLink.Side {
  fileprivate init(_ party: IdentityV1.Party, path: String) throws {
    guard let code = party.code.flatMap({ PartyCode($0) }) else {
      throw Failure(.internalError, "identity answered without the code of the \(path)")
    }
    self.init(name: party.name, code: code, status: try UserStatus(party.status, path: "\(path).status"))
  }
}

extension PayoutDestination {
  /// The UPI id if there is one, else the bank account.
  fileprivate init?(_ found: IdentityV1.GetPayoutDestinationResponse) {
    if let id = found.upiId {
      self = .upi(id)
    } else if let bank = found.bankDetails {
      self = .bank(
        BankAccount(
          maskedNumber: bank.accountNumber, ifsc: bank.ifsc, bankName: bank.bankName, holderName: bank.holderName))
    } else {
      return nil
    }
  }
}
