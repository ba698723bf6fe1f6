import Mongo
import OrderStorage
import TestKit
import Testing

@Suite("Indexes of order", .enabled(if: TestMongo.isAvailable, "needs MONGODB_URI"))
struct OrderIndexTests {
  private static let states = ["CREATED", "ORDERED", "UNDER_REVIEW", "APPROVED", "COMPLETED", "FAILED"]

  private static let orders = IndexTable("orders") { number in
    let holds = ["none", "requested", "held", "unfunded", "consumed"]
    var document: BSONDocument = [
      "userId": Sample.id(number % 50), "dealId": Sample.id(number), "claimActive": .bool(number % 6 != 5),
      "externalOrderId": .string("EXT-\(number)"), "buyerMobile": .string("9\(number % 60)"),
      "mediatorCode": .string("MED_\(number % 20)"), "agencyCode": .string("AGY_\(number % 10)"),
      "brandUserId": Sample.id(number % 12), "campaignId": Sample.id(number % 30),
      "workflowStatus": .string(Sample.one(of: states, number / 12)),
      "affiliateStatus": .string(Sample.one(of: ["Unchecked", "Pending_Cooling", "Approved_Settled"], number)),
      "frozen": .bool(number % 10 == 0), "frozenAt": number % 10 == 0 ? Sample.time(number) : .null,
      "fundsHold": .string(Sample.one(of: holds, number)), "orderedAt": Sample.time(number),
      "approvedAt": Sample.time(number), "createdAt": Sample.time(number), "updatedAt": Sample.time(number),
      "deletedAt": number % 15 == 14 ? Sample.time(number) : .null,
      "slotCheckDueAt": number % 9 == 0 ? Sample.time(number) : .null,
    ]
    if number % 7 == 0 {
      document.append("pendingSaga", ["kind": "reserving", "touchedAt": Sample.time(number)])
    }
    return document
  }
  .index(
    ["userId": 1, "dealId": 1], unique: true, where: ["claimActive": true],
    serves: "one live claim per shopper and deal",
    ["userId": Sample.id(7), "dealId": Sample.id(7), "claimActive": true]
  )
  .index(
    ["externalOrderId": 1], unique: true, where: ["deletedAt": .null, "externalOrderId": ["$type": "string"]],
    serves: "one order per marketplace order", ["externalOrderId": Sample.text("EXT-7"), "deletedAt": .null]
  )
  .index(["userId": 1, "createdAt": -1], serves: "shopper's orders", ["userId": Sample.id(7)], sort: ["createdAt": -1])
  .index(
    ["userId": 1, "orderedAt": -1], serves: "velocity window",
    ["userId": Sample.id(7), "orderedAt": ["$gte": Sample.time(200)]], sort: ["orderedAt": -1]
  )
  .index(
    ["buyerMobile": 1, "orderedAt": -1], serves: "cross-account checks",
    ["buyerMobile": "97", "orderedAt": ["$gte": Sample.time(200)]], sort: ["orderedAt": -1]
  )
  .index(
    ["mediatorCode": 1, "createdAt": -1], serves: "mediator's orders", ["mediatorCode": "MED_7"],
    sort: ["createdAt": -1]
  )
  .index(
    ["mediatorCode": 1, "workflowStatus": 1, "createdAt": -1], serves: "review queue and counts",
    ["mediatorCode": "MED_8", "workflowStatus": "UNDER_REVIEW"], sort: ["createdAt": -1]
  )
  .index(
    ["agencyCode": 1, "createdAt": -1], serves: "agency's orders", ["agencyCode": "AGY_7"], sort: ["createdAt": -1]
  )
  .index(
    ["brandUserId": 1, "createdAt": -1], serves: "brand's orders (H4)", ["brandUserId": Sample.id(7)],
    sort: ["createdAt": -1]
  )
  .index(
    ["brandUserId": 1, "workflowStatus": 1, "createdAt": -1], serves: "brand dashboard",
    ["brandUserId": Sample.id(7), "workflowStatus": "ORDERED"], sort: ["createdAt": -1]
  )
  .index(
    ["campaignId": 1, "mediatorCode": 1, "affiliateStatus": 1], serves: "cap and stats",
    ["campaignId": Sample.id(7), "mediatorCode": "MED_7", "affiliateStatus": "Pending_Cooling"]
  )
  .index(
    ["affiliateStatus": 1, "createdAt": -1], serves: "financial list", ["affiliateStatus": "Pending_Cooling"],
    sort: ["createdAt": -1]
  )
  .index(
    ["workflowStatus": 1, "updatedAt": 1], serves: "sweeps",
    ["workflowStatus": "CREATED", "updatedAt": ["$lt": Sample.time(60)]], sort: ["updatedAt": 1]
  )
  .index(
    ["frozenAt": 1], where: ["frozen": true], serves: "frozen list", ["frozen": true], sort: ["frozenAt": 1]
  )
  .index(["deletedAt": 1, "createdAt": -1], serves: "privileged list", ["deletedAt": .null], sort: ["createdAt": -1])
  .index(
    ["pendingSaga.touchedAt": 1], where: ["pendingSaga.touchedAt": ["$exists": true]],
    serves: "sagas that nobody has touched", ["pendingSaga.touchedAt": ["$lt": Sample.time(90)]],
    sort: ["pendingSaga.touchedAt": 1]
  )
  .index(
    ["userId": 1, "pendingSaga.kind": 1], where: ["pendingSaga.kind": ["$exists": true]],
    serves: "a shopper's orders that wait for a slot", ["userId": Sample.id(7), "pendingSaga.kind": "reserving"]
  )
  .index(
    ["approvedAt": 1, "_id": 1], where: ["fundsHold": "requested"], name: "approvedAt_1__id_1_requested",
    serves: "holds that wallet has not answered", ["fundsHold": "requested"], sort: ["approvedAt": 1, "_id": 1]
  )
  .index(
    ["approvedAt": 1, "_id": 1], where: ["fundsHold": "unfunded"], name: "approvedAt_1__id_1_unfunded",
    serves: "holds that the owner could not pay", ["fundsHold": "unfunded"], sort: ["approvedAt": 1, "_id": 1]
  )
  .index(
    ["slotCheckDueAt": 1], where: ["slotCheckDueAt": ["$gt": .datetime(.init(milliseconds: 0))]],
    serves: "slots that no order needs",
    ["slotCheckDueAt": ["$gt": .datetime(.init(milliseconds: 0)), "$lte": Sample.time(90)]],
    sort: ["slotCheckDueAt": 1])

  private static let others: [IndexTable] = [
    IndexTable("order_proofs") { number in
      [
        "orderId": Sample.id(number / 3), "type": .string(Sample.one(of: ["order", "review", "rating"], number)),
        "version": 1, "sha256": .string("hash \(number)"),
      ]
    }
    .index(
      ["orderId": 1, "type": 1, "version": 1], unique: true, serves: "fetch one proof",
      ["orderId": Sample.id(7), "type": "review", "version": 1]
    )
    .index(["sha256": 1], serves: "same image reused", ["sha256": "hash 7"]),

    IndexTable("tickets") { number in
      [
        "status": .string(Sample.one(of: ["Open", "Resolved", "Rejected"], number)), "userId": Sample.id(number % 40),
        "orderId": Sample.id(number % 90), "createdAt": Sample.time(number), "deletedAt": .null,
      ]
    }
    .index(["status": 1, "createdAt": -1], serves: "staff queue", ["status": "Open"], sort: ["createdAt": -1])
    .index(
      ["userId": 1, "deletedAt": 1, "createdAt": -1], serves: "own tickets",
      ["userId": Sample.id(7), "deletedAt": .null], sort: ["createdAt": -1]
    )
    .index(["orderId": 1, "status": 1], serves: "dispute check", ["orderId": Sample.id(7), "status": "Open"])
    .index(
      ["deletedAt": 1, "createdAt": -1], serves: "privileged list", ["deletedAt": .null], sort: ["createdAt": -1]),
  ]

  @Test("are those of DOMAIN 3.3, each used by the query that it is for")
  func all() async throws {
    try await TestMongo.withDatabase("order_indexes", migrations: OrderMigrations.all) { database in
      try await ([Self.orders] + Self.others + IndexTable.technical).check(database, OrderMigrations.all)
    }
  }
}
