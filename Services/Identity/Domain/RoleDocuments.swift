import Kernel

/// What a user's roles add to the user. Written with the user, and mirroring its name, parent and status, so that
/// "is this agency active" has one answer.
public struct RoleDocuments: Hashable, Sendable {
  public var agency: Agency?
  public var brand: Brand?
  public var mediatorProfile: MediatorProfile?
  public var shopperProfile: ShopperProfile?

  public init(
    agency: Agency? = nil, brand: Brand? = nil, mediatorProfile: MediatorProfile? = nil,
    shopperProfile: ShopperProfile? = nil
  ) {
    self.agency = agency
    self.brand = brand
    self.mediatorProfile = mediatorProfile
    self.shopperProfile = shopperProfile
  }
}

public enum AgencyTag {}
public enum BrandTag {}
public enum MediatorProfileTag {}
public enum ShopperProfileTag {}

public struct Agency: Hashable, Sendable {
  public let id: ID<AgencyTag>
  public var name: String
  public let agencyCode: PartyCode
  public let ownerUserID: UserID
  public var status: UserStatus

  public init(id: ID<AgencyTag>, name: String, agencyCode: PartyCode, ownerUserID: UserID, status: UserStatus) {
    self.id = id
    self.name = name
    self.agencyCode = agencyCode
    self.ownerUserID = ownerUserID
    self.status = status
  }
}

public struct Brand: Hashable, Sendable {
  public let id: ID<BrandTag>
  public var name: String
  public let brandCode: PartyCode
  public let ownerUserID: UserID
  /// A set; kept in step with the approved connections by the same transaction.
  public var connectedAgencyCodes: [PartyCode]
  public var status: UserStatus

  public init(
    id: ID<BrandTag>, name: String, brandCode: PartyCode, ownerUserID: UserID, connectedAgencyCodes: [PartyCode] = [],
    status: UserStatus
  ) {
    self.id = id
    self.name = name
    self.brandCode = brandCode
    self.ownerUserID = ownerUserID
    self.connectedAgencyCodes = connectedAgencyCodes
    self.status = status
  }
}

public struct MediatorProfile: Hashable, Sendable {
  public let id: ID<MediatorProfileTag>
  public let userID: UserID
  public let mediatorCode: PartyCode
  public var parentAgencyCode: PartyCode?
  public var status: UserStatus

  public init(
    id: ID<MediatorProfileTag>, userID: UserID, mediatorCode: PartyCode, parentAgencyCode: PartyCode?,
    status: UserStatus
  ) {
    self.id = id
    self.userID = userID
    self.mediatorCode = mediatorCode
    self.parentAgencyCode = parentAgencyCode
    self.status = status
  }
}

public struct ShopperProfile: Hashable, Sendable {
  public let id: ID<ShopperProfileTag>
  public let userID: UserID
  public var defaultMediatorCode: PartyCode?

  public init(id: ID<ShopperProfileTag>, userID: UserID, defaultMediatorCode: PartyCode?) {
    self.id = id
    self.userID = userID
    self.defaultMediatorCode = defaultMediatorCode
  }
}

/// A user with everything that belongs to it.
public struct Account: Hashable, Sendable {
  public var user: User
  public var roleDocuments: RoleDocuments
  /// Of a brand or an agency, newest request first; empty for others.
  public var connections: [Connection]

  public init(user: User, roleDocuments: RoleDocuments, connections: [Connection] = []) {
    self.user = user
    self.roleDocuments = roleDocuments
    self.connections = connections
  }

  /// More connections than this are listed by the paged RPC only.
  public static let connectionsMax = 200
}
