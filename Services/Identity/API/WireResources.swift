import IdentityDomain
import Kernel
import Messages

extension IdentityV1.User {
  /// The user as itself sees it: unmasked. Secrets and counters have no field.
  init(_ user: User) {
    self.init(
      id: user.id.rawValue, name: user.name, username: user.username?.rawValue, mobile: user.mobile.rawValue,
      email: user.email, role: user.role.onTheWire, roles: user.roles.map(\.onTheWire), status: user.status.onTheWire,
      mediatorCode: user.mediatorCode?.rawValue, parentCode: user.parentCode?.rawValue,
      brandCode: user.brandCode?.rawValue, isVerifiedByMediator: user.isVerifiedByMediator,
      kycStatus: user.kycStatus.onTheWire, upiId: user.upiID,
      bankDetails: user.bankDetails.map { IdentityV1.BankDetails($0) },
      createdAt: GoogleProtobuf.Timestamp(user.createdAt), updatedAt: GoogleProtobuf.Timestamp(user.updatedAt))
  }
}

extension IdentityV1.BankDetails {
  init(_ bank: BankDetails) {
    self.init(
      accountNumber: bank.accountNumber, ifsc: bank.ifsc, bankName: bank.bankName, holderName: bank.holderName)
  }
}

extension IdentityV1.Agency {
  init(_ agency: Agency) {
    self.init(
      id: agency.id.rawValue, name: agency.name, agencyCode: agency.agencyCode.rawValue,
      ownerUserId: agency.ownerUserID.rawValue, status: agency.status.onTheWire)
  }
}

extension IdentityV1.Brand {
  init(_ brand: Brand) {
    self.init(
      id: brand.id.rawValue, name: brand.name, brandCode: brand.brandCode.rawValue,
      ownerUserId: brand.ownerUserID.rawValue, connectedAgencyCodes: brand.connectedAgencyCodes.map(\.rawValue),
      status: brand.status.onTheWire)
  }
}

extension IdentityV1.MediatorProfile {
  init(_ profile: MediatorProfile) {
    self.init(
      id: profile.id.rawValue, userId: profile.userID.rawValue, mediatorCode: profile.mediatorCode.rawValue,
      parentAgencyCode: profile.parentAgencyCode?.rawValue, status: profile.status.onTheWire)
  }
}

extension IdentityV1.ShopperProfile {
  init(_ profile: ShopperProfile) {
    self.init(
      id: profile.id.rawValue, userId: profile.userID.rawValue,
      defaultMediatorCode: profile.defaultMediatorCode?.rawValue)
  }
}

extension IdentityV1.Connection {
  init(_ connection: Connection) {
    self.init(
      id: connection.id.rawValue, brandUserId: connection.brandUserID.rawValue,
      brandCode: connection.brandCode.rawValue, agencyUserId: connection.agencyUserID.rawValue,
      agencyCode: connection.agencyCode.rawValue, agencyName: connection.agencyName,
      status: connection.status.onTheWire, requestedAt: GoogleProtobuf.Timestamp(connection.requestedAt),
      resolvedAt: connection.resolvedAt.map { GoogleProtobuf.Timestamp($0) })
  }
}

extension IdentityV1.Party {
  init(_ user: User) {
    self.init(
      userId: user.id.rawValue, name: user.name, mobile: user.mobile.rawValue, role: user.role.onTheWire,
      status: user.status.onTheWire, code: user.ownCode?.rawValue, parentCode: user.parentCode?.rawValue,
      payoutFingerprints: PayoutFingerprint.all(of: user))
  }
}
