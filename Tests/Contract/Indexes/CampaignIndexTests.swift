import CampaignStorage
import Mongo
import TestKit
import Testing

@Suite("Indexes of campaign", .enabled(if: TestMongo.isAvailable, "needs MONGODB_URI"))
struct CampaignIndexTests {
  private static let tables: [IndexTable] = [
    IndexTable("campaigns") { number in
      [
        "status": .string(Sample.one(of: ["draft", "active", "paused", "completed"], number)),
        "brandUserId": Sample.id(number % 30), "allowedAgencyCodes": [.string("AGY_\(number % 25)")],
        "createdAt": Sample.time(number), "deletedAt": number % 20 == 19 ? Sample.time(number) : .null,
      ]
    }
    .index(
      ["status": 1, "brandUserId": 1, "createdAt": -1], serves: "brand filter by status",
      ["status": "active", "brandUserId": Sample.id(5)], sort: ["createdAt": -1]
    )
    .index(
      ["brandUserId": 1, "deletedAt": 1, "createdAt": -1], serves: "brand's campaigns; ownership check",
      ["brandUserId": Sample.id(5), "deletedAt": .null], sort: ["createdAt": -1]
    )
    .index(
      ["allowedAgencyCodes": 1, "status": 1, "createdAt": -1], serves: "campaigns offered to an agency",
      ["allowedAgencyCodes": "AGY_5", "status": "active"], sort: ["createdAt": -1]
    )
    .index(
      ["deletedAt": 1, "createdAt": -1], serves: "privileged list", ["deletedAt": .null], sort: ["createdAt": -1]),

    IndexTable("assignments") { number in
      [
        "code": .string("MED_\(number % 50)"), "campaignId": Sample.id(number),
        "agencyCode": .string("AGY_\(number % 10)"), "active": .bool(number % 3 != 0),
        "createdAt": Sample.time(number),
      ]
    }
    .index(
      ["code": 1, "campaignId": 1], unique: true, serves: "one share per code (H9)",
      ["code": "MED_7", "campaignId": Sample.id(57)]
    )
    .index(["campaignId": 1], serves: "assignments of a campaign", ["campaignId": Sample.id(57)])
    .index(
      ["agencyCode": 1, "campaignId": 1], serves: "campaigns assigned to an agency", ["agencyCode": "AGY_7"]
    )
    .index(
      ["code": 1, "active": 1, "createdAt": -1], serves: "mediator's campaigns", ["code": "MED_7", "active": true],
      sort: ["createdAt": -1]),

    IndexTable("deals") { number in
      [
        "campaignId": Sample.id(number % 100), "mediatorCode": .string("MED_\(number % 41)"),
        "active": .bool(number % 4 == 0), "createdAt": Sample.time(number), "deletedAt": .null,
      ]
    }
    .index(
      ["campaignId": 1, "mediatorCode": 1], unique: true, where: ["deletedAt": .null],
      serves: "one deal per mediator and campaign",
      ["campaignId": Sample.id(7), "mediatorCode": "MED_7", "deletedAt": .null]
    )
    .index(
      ["mediatorCode": 1, "active": 1, "deletedAt": 1, "createdAt": -1], serves: "shopper's product list",
      ["mediatorCode": "MED_7", "active": true, "deletedAt": .null], sort: ["createdAt": -1]
    )
    .index(
      ["mediatorCode": 1, "createdAt": -1], serves: "mediator's list", ["mediatorCode": "MED_7"],
      sort: ["createdAt": -1]
    )
    .index(["active": 1, "createdAt": -1], serves: "admin list", ["active": true], sort: ["createdAt": -1]),

    IndexTable("slot_reservations") { number in
      [
        "orderId": Sample.id(number), "campaignId": Sample.id(number % 20),
        "state": .string(Sample.one(of: ["held", "consumed", "released", "released"], number)),
        "createdAt": Sample.time(number),
      ]
    }
    .index(["orderId": 1], unique: true, serves: "idempotent reserve and release", ["orderId": Sample.id(7)])
    .index(
      ["campaignId": 1, "state": 1], serves: "reconciliation", ["campaignId": Sample.id(5), "state": "consumed"]
    )
    .index(
      ["state": 1, "createdAt": 1], serves: "stale sweep",
      ["state": "released", "createdAt": ["$lt": Sample.time(50)]], sort: ["createdAt": 1]
    )
    .index(
      ["createdAt": 1, "_id": 1], where: ["state": "held"], name: "createdAt_1__id_1_held",
      serves: "held reservations, page by page", ["state": "held"], sort: ["createdAt": 1, "_id": 1]),
  ]

  @Test("are those of DOMAIN 3.2, each used by the query that it is for")
  func all() async throws {
    try await TestMongo.withDatabase("campaign_indexes", migrations: CampaignMigrations.all) { database in
      try await (Self.tables + IndexTable.technical).check(database, CampaignMigrations.all)
    }
  }
}
