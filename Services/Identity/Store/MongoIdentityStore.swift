import IdentityDomain
import Kernel
import Mongo

/// Identity's documents in MongoDB.
public struct MongoIdentityStore: IdentityStore {
  let database: MongoDatabase
  /// Every mutating call of every service asks for a principal: these reads are joined under load.
  private let usersByID: DocumentLoader
  private let usersByCode: DocumentLoader

  public init(_ database: MongoDatabase) {
    self.database = database
    usersByID = DocumentLoader(database, Collections.users, where: ["deletedAt": .null])
    usersByCode = DocumentLoader(database, Collections.users, by: "mediatorCode", where: ["deletedAt": .null])
  }

  public func lineage(signingInBy identifier: LoginIdentifier) async throws -> Lineage? {
    try await database.run { connection in
      switch identifier {
      case .mobile(let mobile):
        try Self.lineage(["mobile": .string(mobile.rawValue), "deletedAt": .null], connection)
      case .username(let username):
        try Self.lineage(
          [
            "username": Self.indexed(username.rawValue), "deletedAt": .null,
            "roles": ["$in": .strings(Role.allCases.filter(\.isPrivileged).map(\.rawValue))],
          ], connection)
      }
    }
  }

  public func lineage(of id: UserID) async throws -> Lineage? {
    guard let document = try await usersByID.document(.id(id)) else { return nil }
    let subject = try User(document)
    var parents: [User] = []
    var code = subject.parentCode
    while parents.count < Lineage.parentsMax, let wanted = code {
      guard let found = try await usersByCode.document(.string(wanted.rawValue)) else { break }
      let parent = try User(found)
      parents.append(parent)
      code = parent.parentCode
    }
    return Lineage(subject: subject, parents: parents)
  }

  public func lineage(ofCode code: PartyCode) async throws -> Lineage? {
    try await database.run { connection in
      // Two indexes, two looks: an $or would need both anyway. Codes of agencies and mediators are the common case.
      try Self.lineage(["mediatorCode": .string(code.rawValue), "deletedAt": .null], connection)
        ?? Self.lineage(["brandCode": .string(code.rawValue), "deletedAt": .null], connection)
    }
  }

  public func account(_ id: UserID) async throws -> Account? {
    try await database.run { connection in
      guard let document = try connection.findOne(Collections.users, ["_id": .id(id), "deletedAt": .null]) else {
        return nil
      }
      let user = try User(document)
      return Account(
        user: user, roleDocuments: try Self.roleDocuments(of: user, connection),
        connections: try Self.connections(of: user, connection))
    }
  }

  public func isTaken(_ account: Account) async throws -> Bool {
    let user = account.user
    var places: [BSONValue] = [
      ["_id": .id(user.id)], ["mobile": .string(user.mobile.rawValue), "deletedAt": .null],
    ]
    if let username = user.username {
      places.append(["username": Self.indexed(username.rawValue), "deletedAt": .null])
    }
    if let code = user.mediatorCode { places.append(["mediatorCode": .string(code.rawValue)]) }
    if let code = user.brandCode { places.append(["brandCode": .string(code.rawValue)]) }
    let filter: BSONDocument = ["$or": .array(places)]
    return try await database.run { try $0.findOne(Collections.users, filter, projection: ["_id": 1]) != nil }
  }

  /// A partial index on `$type` serves a query only if it says so itself.
  private static func indexed(_ text: String) -> BSONValue {
    ["$eq": .string(text), "$type": "string"]
  }

  // MARK: Reading in one go

  /// Follows the parent codes upwards. The documents are read one after another, so a change in between is seen in
  /// part; each of them was true, and the next call reads again.
  static func lineage(_ filter: BSONDocument, _ connection: MongoConnection) throws -> Lineage? {
    guard let document = try connection.findOne(Collections.users, filter) else { return nil }
    let subject = try User(document)
    var parents: [User] = []
    var code = subject.parentCode
    while parents.count < Lineage.parentsMax, let wanted = code {
      guard
        let found = try connection.findOne(
          Collections.users, ["mediatorCode": .string(wanted.rawValue), "deletedAt": .null])
      else { break }
      let parent = try User(found)
      parents.append(parent)
      code = parent.parentCode
    }
    return Lineage(subject: subject, parents: parents)
  }

  private static func roleDocuments(of user: User, _ connection: MongoConnection) throws -> RoleDocuments {
    let owned: BSONDocument = ["ownerUserId": .id(user.id), "deletedAt": .null]
    let own: BSONDocument = ["userId": .id(user.id), "deletedAt": .null]
    var documents = RoleDocuments()
    if user.roles.contains(.agency) {
      documents.agency = try connection.findOne(Collections.agencies, owned).map { try Agency($0) }
    }
    if user.roles.contains(.brand) {
      documents.brand = try connection.findOne(Collections.brands, owned).map { try Brand($0) }
    }
    if user.roles.contains(.mediator) {
      documents.mediatorProfile = try connection.findOne(Collections.mediatorProfiles, own)
        .map { try MediatorProfile($0) }
    }
    if user.roles.contains(.shopper) {
      documents.shopperProfile = try connection.findOne(Collections.shopperProfiles, own)
        .map { try ShopperProfile($0) }
    }
    return documents
  }

  private static func connections(of user: User, _ connection: MongoConnection) throws -> [Connection] {
    let filter: BSONDocument
    if user.roles.contains(.brand) {
      filter = ["brandUserId": .id(user.id)]
    } else if user.roles.contains(.agency), let code = user.mediatorCode {
      filter = ["agencyCode": .string(code.rawValue)]
    } else {
      return []
    }
    return try connection.find(
      Collections.connections, filter, sort: ["requestedAt": -1], limit: Account.connectionsMax
    ).map { try Connection($0) }
  }
}
