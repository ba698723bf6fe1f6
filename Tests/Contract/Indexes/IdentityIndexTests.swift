import IdentityStorage
import Mongo
import TestKit
import Testing

@Suite("Indexes of identity", .enabled(if: TestMongo.isAvailable, "needs MONGODB_URI"))
struct IdentityIndexTests {
  private static let live: BSONDocument = ["deletedAt": .null]
  private static let roles = ["shopper", "mediator", "agency", "brand"]

  private static let users = IndexTable("users") { number in
    let role = Sample.one(of: roles, number)
    let isParty = role == "mediator" || role == "agency"
    return [
      "mobile": .string("9\(100_000_000 + number)"), "email": .string("a\(number)@mobo.example"),
      "username": number % 50 == 0 ? .string("staff\(number)") : .null, "roles": [.string(role)],
      "status": .string(Sample.one(of: ["active", "active", "suspended"], number)),
      "mediatorCode": isParty ? .string("MED_\(number)") : .null,
      "brandCode": role == "brand" ? .string("BRD_\(number)") : .null,
      "parentCode": role == "shopper" ? .string("MED_\(number % 20)") : .null,
      "isVerifiedByMediator": .bool(number % 8 == 0),
      "kycStatus": .string(Sample.one(of: ["none", "pending", "verified"], number)),
      "createdAt": Sample.time(number), "deletedAt": number % 30 == 29 ? Sample.time(number) : .null,
    ]
  }
  .index(
    ["mobile": 1], unique: true, where: live, serves: "login, duplicate check",
    ["mobile": "9100000012", "deletedAt": .null]
  )
  .index(
    ["email": 1], unique: true, where: ["deletedAt": .null, "email": ["$type": "string"]], serves: "duplicate check",
    ["email": Sample.text("a12@mobo.example"), "deletedAt": .null]
  )
  .index(
    ["username": 1], unique: true, where: ["deletedAt": .null, "username": ["$type": "string"]],
    serves: "staff login", ["username": Sample.text("staff50"), "deletedAt": .null]
  )
  .index(
    ["mediatorCode": 1], unique: true, where: ["mediatorCode": ["$type": "string"]],
    serves: "code lookup, of deleted users too", ["mediatorCode": Sample.text("MED_1")]
  )
  .index(
    ["brandCode": 1], unique: true, where: ["brandCode": ["$type": "string"]],
    serves: "connection request by brand code", ["brandCode": Sample.text("BRD_3")]
  )
  .index(
    ["brandCode": 1, "roles": 1, "deletedAt": 1], serves: "find brand by code and role (H3)",
    ["brandCode": "BRD_3", "roles": "brand", "deletedAt": .null]
  )
  .index(
    ["mediatorCode": 1, "roles": 1, "deletedAt": 1], serves: "find agency or mediator by code and role (H3)",
    ["mediatorCode": "MED_1", "roles": "mediator", "deletedAt": .null]
  )
  .index(
    ["roles": 1, "status": 1, "deletedAt": 1], serves: "role and status counts and lists (H3)",
    ["roles": "brand", "status": "suspended", "deletedAt": .null]
  )
  .index(
    ["parentCode": 1, "roles": 1, "isVerifiedByMediator": 1, "createdAt": -1],
    serves: "mediators of an agency; pending and verified shoppers",
    ["parentCode": "MED_4", "roles": "shopper", "isVerifiedByMediator": false], sort: ["createdAt": -1]
  )
  .index(
    ["kycStatus": 1, "roles": 1, "createdAt": -1], serves: "KYC queue",
    ["kycStatus": "pending", "roles": "mediator"], sort: ["createdAt": -1]
  )
  .index(
    ["deletedAt": 1, "createdAt": -1, "_id": -1], serves: "admin user list", ["deletedAt": .null],
    sort: ["createdAt": -1, "_id": -1])

  private static func party(_ collection: String, code: String) -> IndexTable {
    IndexTable(collection) { number in
      let document: BSONDocument = [
        "ownerUserId": Sample.id(number), "status": .string(Sample.one(of: ["active", "suspended"], number)),
        "connectedAgencyCodes": [.string("AGY_\(number % 30)")], "createdAt": Sample.time(number), "deletedAt": .null,
      ]
      return document.appending(code, .string("CODE_\(number)"))
    }
    .index(BSONDocument([(code, 1)]), unique: true, serves: "code lookup", BSONDocument([(code, "CODE_7")]))
    .index(
      ["ownerUserId": 1], unique: true, where: live, serves: "its owner's",
      ["ownerUserId": Sample.id(7), "deletedAt": .null]
    )
    .index(["status": 1, "createdAt": -1], serves: "lists", ["status": "active"], sort: ["createdAt": -1])
  }

  private static let profiles: [IndexTable] = [
    IndexTable("mediator_profiles") { number in
      [
        "userId": Sample.id(number), "mediatorCode": .string("MED_\(number)"),
        "parentAgencyCode": .string("AGY_\(number % 20)"),
        "status": .string(Sample.one(of: ["active", "active", "suspended"], number)),
      ]
    }
    .index(["userId": 1], unique: true, serves: "a person's profile", ["userId": Sample.id(7)])
    .index(["mediatorCode": 1], unique: true, serves: "code lookup", ["mediatorCode": "MED_7"])
    .index(
      ["parentAgencyCode": 1, "status": 1], serves: "active mediators of an agency",
      ["parentAgencyCode": "AGY_3", "status": "active"]),
    IndexTable("shopper_profiles") { number in
      ["userId": Sample.id(number), "defaultMediatorCode": .string("MED_\(number % 20)")]
    }
    .index(["userId": 1], unique: true, serves: "a person's profile", ["userId": Sample.id(7)])
    .index(["defaultMediatorCode": 1], serves: "shoppers of a mediator", ["defaultMediatorCode": "MED_7"]),
  ]

  private static let invites = IndexTable("invites") { number in
    [
      "code": .string("INV_\(number)"),
      "status": .string(Sample.one(of: ["active", "used", "expired", "revoked"], number)),
      "useCount": .int64(Int64(number % 3)), "parentCode": .string("AGY_\(number % 25)"),
      "createdBy": Sample.id(number % 15), "expiresAt": Sample.time(number), "createdAt": Sample.time(number),
    ]
  }
  .index(["code": 1], unique: true, serves: "registration", ["code": "INV_8"])
  .index(
    ["code": 1, "status": 1, "useCount": 1], serves: "conditional consume",
    ["code": "INV_8", "status": "active", "useCount": ["$lt": 3]], besides: "code_1"
  )
  .index(
    ["status": 1, "expiresAt": 1], serves: "expiry sweep",
    ["status": "active", "expiresAt": ["$lte": Sample.time(90)]],
    sort: ["expiresAt": 1]
  )
  .index(
    ["parentCode": 1, "status": 1, "createdAt": -1], serves: "invites of an agency or mediator (H8)",
    ["parentCode": "AGY_7", "status": "active"], sort: ["createdAt": -1]
  )
  .index(
    ["createdBy": 1, "createdAt": -1], serves: "issuer's list", ["createdBy": Sample.id(7)], sort: ["createdAt": -1]
  )
  .index(["createdAt": -1], serves: "admin list", [:], sort: ["createdAt": -1])
  .expiry("expiresAt", after: 2_592_000, where: ["status": "expired"], name: "expiresAt_1_expired_ttl")

  private static let others: [IndexTable] = [
    IndexTable("suspensions") { number in
      [
        "targetUserId": Sample.id(number % 40), "adminUserId": Sample.id(number % 9),
        "createdAt": Sample.time(number),
      ]
    }
    .index(
      ["targetUserId": 1, "createdAt": -1], serves: "who was suspended", ["targetUserId": Sample.id(7)],
      sort: ["createdAt": -1]
    )
    .index(
      ["adminUserId": 1, "createdAt": -1], serves: "who suspended", ["adminUserId": Sample.id(7)],
      sort: ["createdAt": -1]),
    IndexTable("connections") { number in
      [
        "brandUserId": Sample.id(number % 30), "agencyCode": .string("AGY_\(number)"),
        "status": .string(Sample.one(of: ["pending", "approved", "rejected"], number)), "open": .bool(number % 3 != 2),
        "requestedAt": Sample.time(number),
      ]
    }
    .index(
      ["brandUserId": 1, "agencyCode": 1], unique: true, where: ["open": true],
      serves: "one open connection per pair", ["brandUserId": Sample.id(7), "agencyCode": "AGY_7", "open": true]
    )
    .index(
      ["brandUserId": 1, "status": 1, "requestedAt": -1], serves: "brand inbox, pending count",
      ["brandUserId": Sample.id(6), "status": "pending"], sort: ["requestedAt": -1]
    )
    .index(
      ["agencyCode": 1, "status": 1, "requestedAt": -1], serves: "agency's view",
      ["agencyCode": "AGY_6", "status": "pending"], sort: ["requestedAt": -1]),
    IndexTable("sessions") { number in
      [
        "userId": Sample.id(number % 60), "familyId": Sample.id(number % 200), "tokenHash": .string("hash \(number)"),
        "revokedAt": number % 3 == 0 ? .null : Sample.time(number), "expiresAt": Sample.time(number),
      ]
    }
    .index(["tokenHash": 1], unique: true, serves: "refresh", ["tokenHash": "hash 7"])
    .index(["familyId": 1], serves: "family revocation", ["familyId": Sample.id(7)])
    .index(
      ["userId": 1, "revokedAt": 1], serves: "revoke all", ["userId": Sample.id(7), "revokedAt": .null]
    )
    .expiry("expiresAt", after: 0),
    IndexTable("system_configs") { number in ["key": .string("key \(number)")] }
      .index(["key": 1], unique: true, serves: "the one document", ["key": "key 7"]),
  ]

  @Test("are those of DOMAIN 3.1, each used by the query that it is for")
  func all() async throws {
    let agencies = Self.party("agencies", code: "agencyCode")
    let brands = Self.party("brands", code: "brandCode")
      .index(["connectedAgencyCodes": 1], serves: "brands of an agency", ["connectedAgencyCodes": "AGY_7"])
    let tables = [Self.users, agencies, brands, Self.invites] + Self.profiles + Self.others + IndexTable.technical
    try await TestMongo.withDatabase("identity_indexes", migrations: IdentityMigrations.all) { database in
      try await tables.check(database, IdentityMigrations.all)
    }
  }
}
