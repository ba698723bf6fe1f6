import Kernel

/// One person with an account. Balances are not here: they belong to wallet.
public struct User: Hashable, Sendable {
  public let id: UserID
  public var name: String
  /// Staff only.
  public var username: Username?
  public var mobile: Mobile
  public var email: String?
  /// Self-describing Argon2id string. Never leaves the service.
  public var passwordHash: String
  /// The primary role; always one of `roles`.
  public var role: Role
  public var roles: [Role]
  public var status: UserStatus
  public var suspensionSource: SuspensionSource
  /// The own code of an agency or a mediator.
  public var mediatorCode: PartyCode?
  /// The code of the party above.
  public var parentCode: PartyCode?
  public var brandCode: PartyCode?
  public var isVerifiedByMediator: Bool
  public var kycStatus: KycStatus
  public var kycDocuments: KycDocuments?
  public var upiID: String?
  public var bankDetails: BankDetails?
  public var loginCounters: LoginCounters
  public var createdAt: Timestamp
  public var updatedAt: Timestamp
  /// Who made the last change: a user id or `SYSTEM`.
  public var updatedBy: String

  public init(
    id: UserID, name: String, username: Username? = nil, mobile: Mobile, email: String? = nil, passwordHash: String,
    role: Role, roles: [Role], status: UserStatus = .active, suspensionSource: SuspensionSource = .none,
    mediatorCode: PartyCode? = nil, parentCode: PartyCode? = nil, brandCode: PartyCode? = nil,
    isVerifiedByMediator: Bool = false, kycStatus: KycStatus = .none, kycDocuments: KycDocuments? = nil,
    upiID: String? = nil, bankDetails: BankDetails? = nil, loginCounters: LoginCounters = LoginCounters(),
    createdAt: Timestamp, updatedAt: Timestamp, updatedBy: String
  ) {
    self.id = id
    self.name = name
    self.username = username
    self.mobile = mobile
    self.email = email
    self.passwordHash = passwordHash
    self.role = role
    self.roles = roles
    self.status = status
    self.suspensionSource = suspensionSource
    self.mediatorCode = mediatorCode
    self.parentCode = parentCode
    self.brandCode = brandCode
    self.isVerifiedByMediator = isVerifiedByMediator
    self.kycStatus = kycStatus
    self.kycDocuments = kycDocuments
    self.upiID = upiID
    self.bankDetails = bankDetails
    self.loginCounters = loginCounters
    self.createdAt = createdAt
    self.updatedAt = updatedAt
    self.updatedBy = updatedBy
  }

  /// The code others know this person's party by: an agency's, a mediator's or a brand's.
  public var ownCode: PartyCode? { mediatorCode ?? brandCode }
}

/// Who suspended a user; a network's approval cannot lift an administrator's suspension (DOMAIN 4.9).
public enum SuspensionSource: String, CaseIterable, Hashable, Sendable {
  case none, admin, network
}

public enum KycStatus: String, CaseIterable, Hashable, Sendable {
  case none, pending, verified, rejected
}

public struct KycDocuments: Hashable, Sendable {
  public var panCard: String?
  public var aadhaar: String?
  public var gst: String?

  public init(panCard: String? = nil, aadhaar: String? = nil, gst: String? = nil) {
    self.panCard = panCard
    self.aadhaar = aadhaar
    self.gst = gst
  }
}

public struct BankDetails: Hashable, Sendable {
  public var accountNumber: String
  public var ifsc: String
  public var bankName: String
  public var holderName: String

  public init(accountNumber: String, ifsc: String, bankName: String, holderName: String) {
    self.accountNumber = accountNumber
    self.ifsc = ifsc
    self.bankName = bankName
    self.holderName = holderName
  }

  /// Money can be sent there: no field is blank.
  public var isComplete: Bool {
    [accountNumber, ifsc, bankName, holderName].allSatisfy { !$0.trimmed.isEmpty }
  }
}
