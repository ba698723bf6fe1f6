import IdentityDomain
import Kernel
import Mongo

extension MongoIdentityStore {
  public func register(_ account: Account) async throws {
    let user = account.user
    let documents = account.roleDocuments
    do {
      try await database.transaction { connection in
        try connection.insertOne(Collections.users, user.document)
        if let agency = documents.agency {
          try connection.insertOne(Collections.agencies, agency.document(of: user))
        }
        if let brand = documents.brand { try connection.insertOne(Collections.brands, brand.document(of: user)) }
        if let profile = documents.mediatorProfile {
          try connection.insertOne(Collections.mediatorProfiles, profile.document(of: user))
        }
        if let profile = documents.shopperProfile {
          try connection.insertOne(Collections.shopperProfiles, profile.document(of: user))
        }
      }
    } catch let failure as MongoFailure {
      throw Self.taken(failure) ?? failure
    }
  }

  public func ensureConnection(_ connection: Connection) async throws {
    let pair: BSONDocument = [
      "brandUserId": .id(connection.brandUserID), "agencyCode": .string(connection.agencyCode.rawValue), "open": true,
    ]
    do {
      try await database.transaction { mongo in
        guard try mongo.findOne(Collections.connections, pair, projection: ["_id": 1]) == nil else { return }
        try mongo.insertOne(Collections.connections, connection.document)
        guard connection.status == .approved else { return }
        _ = try mongo.updateOne(
          Collections.brands, ["ownerUserId": .id(connection.brandUserID), "deletedAt": .null],
          ["$addToSet": ["connectedAgencyCodes": .string(connection.agencyCode.rawValue)]])
      }
    } catch let failure as MongoFailure {
      // Somebody else opened the same connection in between.
      if case .duplicateKey = failure { return }
      throw failure
    }
  }

  public func repairStaff(_ id: UserID, roles: [Role], passwordHash: String?, at now: Timestamp) async throws {
    var changes = LoginCounters().fields
    changes.append("roles", .strings(roles.map(\.rawValue)))
    changes.append("status", .string(UserStatus.active.rawValue))
    changes.append("suspensionSource", .string(SuspensionSource.none.rawValue))
    if let passwordHash { changes.append("passwordHash", .string(passwordHash)) }
    changes.append("updatedAt", .datetime(now))
    changes.append("updatedBy", .string(Actor.system.id))
    let update: BSONDocument = ["$set": .document(changes)]
    let result = try await database.run {
      try $0.updateOne(Collections.users, ["_id": .id(id), "deletedAt": .null], update)
    }
    guard result.matched == 1 else { throw Failure(.userNotFound, "there is no such user") }
  }

  /// The codes of DOMAIN 14 for the unique indexes of users; anything else is `DUPLICATE_ENTRY`.
  private static func taken(_ failure: MongoFailure) -> (any Error)? {
    guard case .duplicateKey(let index, _) = failure else { return nil }
    switch index {
    case IndexNames.mobile: return Failure(.mobileAlreadyExists, "the mobile number is registered already")
    case IndexNames.email: return Failure(.emailAlreadyExists, "the email address is registered already")
    case IndexNames.username: return Failure(.usernameAlreadyExists, "the username is taken")
    default: return nil
    }
  }
}
