import Kernel

/// Turns a seed key into the id it stands for, so that every service knows the ids without asking another.
public protocol SeedIdentifying: Sendable {
  /// The first 24 hex digits of SHA-256 of `mobo/seed/<key>`.
  func id(forKey key: String) -> String
}

/// Who the seed accounts are.
public struct SeedPerson: Hashable, Sendable {
  public let key: String
  public let name: String
  public let role: Role
  public let roles: [Role]
  public let username: String?
  public let mobile: String
  public let code: String?
  public let parent: String?
  public let isVerifiedByMediator: Bool
  public let kycStatus: KycStatus
  public let upiID: String?
  /// The agencies a brand is connected to, by seed key.
  public let connectedTo: [String]

  init(
    _ key: String, _ name: String, _ role: Role, also: [Role] = [], username: String? = nil, mobile: String,
    code: String? = nil, parent: String? = nil, approved: Bool = false, kyc: KycStatus = .none, upiID: String? = nil,
    connectedTo: [String] = []
  ) {
    self.key = key
    self.name = name
    self.role = role
    self.roles = [role] + also
    self.username = username
    self.mobile = mobile
    self.code = code
    self.parent = parent
    self.isVerifiedByMediator = approved
    self.kycStatus = kyc
    self.upiID = upiID
    self.connectedTo = connectedTo
  }

  /// The password of every account of profile `base`; such profiles are refused in production.
  public static let password = "ChangeMe_123!"

  /// DOMAIN 13.1, in an order that puts parents first.
  public static let base: [SeedPerson] = [
    SeedPerson("admin", "Root Admin", .admin, also: [.ops], username: "root", mobile: "9000000000"),
    SeedPerson("ops", "Ops Desk", .ops, username: "opsdesk", mobile: "9000000010"),
    SeedPerson("agencyA", "Agency A", .agency, mobile: "9000000001", code: "AGY_TEST", kyc: .verified),
    SeedPerson("agencyB", "Agency B", .agency, mobile: "9000000021", code: "AGY_TWO", kyc: .verified),
    SeedPerson(
      "mediatorA", "Mediator A", .mediator, mobile: "9000000002", code: "MED_TEST", parent: "AGY_TEST",
      kyc: .verified, upiID: "mediatora@upi"),
    SeedPerson(
      "mediatorA2", "Mediator A2", .mediator, mobile: "9000000012", code: "MED_TEST2", parent: "AGY_TEST",
      kyc: .pending),
    SeedPerson(
      "mediatorB", "Mediator B", .mediator, mobile: "9000000022", code: "MED_TWO", parent: "AGY_TWO", kyc: .verified),
    SeedPerson("brandA", "Brand A", .brand, mobile: "9000000003", code: "BRD_TEST", connectedTo: ["agencyA"]),
    SeedPerson("brandB", "Brand B", .brand, mobile: "9000000023", code: "BRD_TWO", connectedTo: ["agencyB"]),
    SeedPerson(
      "shopperA1", "Shopper A1", .shopper, mobile: "9000000004", parent: "MED_TEST", approved: true, upiID: "a1@upi"),
    SeedPerson("shopperA2", "Shopper A2", .shopper, mobile: "9000000005", parent: "MED_TEST", approved: true),
    SeedPerson("shopperA3", "Shopper A3", .shopper, mobile: "9000000006", parent: "MED_TEST"),
    SeedPerson("shopperB", "Shopper B", .shopper, mobile: "9000000024", parent: "MED_TWO", approved: true),
  ]
}

/// Builds accounts and connections from people. Pure: hashing and storing are the caller's.
public struct SeedPlan: Sendable {
  private let ids: any SeedIdentifying
  private let now: Timestamp

  public init(ids: any SeedIdentifying, now: Timestamp) {
    self.ids = ids
    self.now = now
  }

  /// Fails with `VALIDATION_FAILED` when a person's mobile, username or code does not follow the rules.
  public func account(_ person: SeedPerson, passwordHash: String) throws(Failure) -> Account {
    let code = try person.code.map { text throws(Failure) in try Self.code(text, of: person) }
    let parent = try person.parent.map { text throws(Failure) in try Self.code(text, of: person) }
    let username = try person.username.map { text throws(Failure) in try Username(text, path: "username") }
    let user = User(
      id: UserID(known: ids.id(forKey: person.key)), name: person.name, username: username,
      mobile: try Mobile(person.mobile, path: "mobile"), passwordHash: passwordHash, role: person.role,
      roles: person.roles, mediatorCode: person.role == .brand ? nil : code, parentCode: parent,
      brandCode: person.role == .brand ? code : nil, isVerifiedByMediator: person.isVerifiedByMediator,
      kycStatus: person.kycStatus, upiID: person.upiID, createdAt: now, updatedAt: now, updatedBy: Actor.system.id)
    return Account(user: user, roleDocuments: roleDocuments(of: user, key: person.key))
  }

  /// Approved connections of the brands among `people` with the agencies among them.
  public func connections(among people: [SeedPerson]) throws(Failure) -> [Connection] {
    var connections: [Connection] = []
    for brand in people where brand.role == .brand {
      for agency in people where brand.connectedTo.contains(agency.key) {
        guard let brandCode = brand.code, let agencyCode = agency.code else { continue }
        connections.append(
          Connection(
            id: ID(known: ids.id(forKey: "\(brand.key)/connection/\(agency.key)")),
            brandUserID: UserID(known: ids.id(forKey: brand.key)), brandCode: try Self.code(brandCode, of: brand),
            agencyUserID: UserID(known: ids.id(forKey: agency.key)),
            agencyCode: try Self.code(agencyCode, of: agency), agencyName: agency.name, status: .approved,
            requestedAt: now, resolvedAt: now, resolvedBy: Actor.system.id))
      }
    }
    return connections
  }

  private func roleDocuments(of user: User, key: String) -> RoleDocuments {
    var documents = RoleDocuments()
    switch user.role {
    case .agency:
      documents.agency = user.mediatorCode.map { code in
        Agency(
          id: ID(known: ids.id(forKey: "\(key)/agency")), name: user.name, agencyCode: code, ownerUserID: user.id,
          status: user.status)
      }
    case .brand:
      documents.brand = user.brandCode.map { code in
        Brand(
          id: ID(known: ids.id(forKey: "\(key)/brand")), name: user.name, brandCode: code, ownerUserID: user.id,
          status: user.status)
      }
    case .mediator:
      documents.mediatorProfile = user.mediatorCode.map { code in
        MediatorProfile(
          id: ID(known: ids.id(forKey: "\(key)/mediator")), userID: user.id, mediatorCode: code,
          parentAgencyCode: user.parentCode, status: user.status)
      }
    case .shopper:
      documents.shopperProfile = ShopperProfile(
        id: ID(known: ids.id(forKey: "\(key)/shopper")), userID: user.id, defaultMediatorCode: user.parentCode)
    case .ops, .admin: break
    }
    return documents
  }

  private static func code(_ text: String, of person: SeedPerson) throws(Failure) -> PartyCode {
    guard let code = PartyCode(text) else { throw .validation("code", "of seed account \(person.key) is malformed") }
    return code
  }
}

extension SeedPerson {
  /// The one administrator of profile `admin`. It has the same id as the administrator of `base`.
  public static func administrator(username: String, mobile: String, name: String) -> SeedPerson {
    SeedPerson("admin", name, .admin, also: [.ops], username: username, mobile: mobile)
  }
}
