import AuditStorage
import Mongo
import TestKit
import Testing
import WalletStorage

@Suite("Indexes of wallet", .enabled(if: TestMongo.isAvailable, "needs MONGODB_URI"))
struct WalletIndexTests {
  private static let types = [
    "brand_deposit", "platform_fee", "commission_lock", "commission_settle", "cashback_lock", "cashback_settle",
    "order_settlement_debit", "commission_reversal", "margin_reversal", "agency_payout", "agency_receipt",
    "payout_request", "payout_complete", "payout_failed", "refund", "lock_release",
  ]

  private static let transactions = IndexTable("transactions") { number in
    let type = Sample.one(of: types, number)
    var document: BSONDocument = [
      "idempotencyKey": .string("posting \(number / 3)#\(number % 3)"), "walletId": Sample.id(number % 30),
      "status": .string(number % 20 == 0 ? "reversed" : "completed"), "type": .string(type),
      // Three wallets in ten move locked money, and rarely.
      "bucket": number % 30 > 26 && number % 4 == 0 ? "locked" : "available",
      "createdAt": Sample.time(number),
    ]
    // What does not apply to a row is absent.
    if number % 2 == 0 { document.append("orderId", Sample.id(number / 6)) }
    if number % 5 == 0 { document.append("payoutId", Sample.id(number)) }
    if number % 3 == 0 { document.append("campaignId", Sample.id(number % 45)) }
    if type == "agency_payout" { document.append("fromUserId", Sample.id(number % 64)) }
    if type == "agency_receipt" { document.append("toUserId", Sample.id(number % 64)) }
    return document
  }
  .index(["idempotencyKey": 1], unique: true, serves: "replay", ["idempotencyKey": "posting 7#1"])
  .index(
    ["walletId": 1, "createdAt": -1], serves: "statements (H5)", ["walletId": Sample.id(7)], sort: ["createdAt": -1]
  )
  .index(
    ["status": 1, "type": 1, "createdAt": -1], serves: "staff list, which merges in order",
    [
      "status": ["$in": ["pending", "completed", "failed", "reversed"]], "type": ["$in": .strings(types)],
    ], sort: ["createdAt": -1]
  )
  .index(
    ["orderId": 1, "createdAt": 1], where: ["orderId": ["$type": "objectId"]], serves: "order's rows",
    ["orderId": Sample.link(7)], sort: ["createdAt": 1]
  )
  .index(
    ["payoutId": 1], where: ["payoutId": ["$type": "objectId"]], serves: "payout's rows",
    ["payoutId": Sample.link(35)]
  )
  .index(
    ["campaignId": 1, "createdAt": -1], where: ["campaignId": ["$type": "objectId"]], serves: "campaign's spending",
    ["campaignId": Sample.link(6)], sort: ["createdAt": -1]
  )
  .index(
    ["fromUserId": 1, "createdAt": -1], where: ["type": "agency_payout"], serves: "brand ledger",
    ["fromUserId": Sample.id(9), "type": "agency_payout"], sort: ["createdAt": -1]
  )
  .index(
    ["toUserId": 1, "createdAt": -1], where: ["type": "agency_receipt"], serves: "agency's receipts",
    ["toUserId": Sample.id(10), "type": "agency_receipt"], sort: ["createdAt": -1]
  )
  .index(
    ["walletId": 1, "bucket": 1, "createdAt": -1], where: ["bucket": ["$in": ["locked", "pending"]]],
    serves: "balances of the past", ["walletId": Sample.id(28), "bucket": "locked"], sort: ["createdAt": -1])

  private static let others: [IndexTable] = [
    IndexTable("wallets") { number in
      ["ownerUserId": Sample.id(number), "createdAt": Sample.time(number), "deletedAt": .null]
    }
    .index(
      ["ownerUserId": 1], unique: true, where: ["deletedAt": .null], serves: "lookup, race-free creation",
      ["ownerUserId": Sample.id(7), "deletedAt": .null]
    )
    .index(["deletedAt": 1, "createdAt": -1], serves: "reconciliation", ["deletedAt": .null], sort: ["createdAt": -1]),

    IndexTable("holds") { number in
      [
        "orderId": Sample.id(number / 2), "seq": .int32(Int32(number % 2)), "brandUserId": Sample.id(number % 25),
        "open": .bool(number % 2 == 1),
      ]
    }
    .index(
      ["orderId": 1, "seq": 1], unique: true, serves: "a hold's number", ["orderId": Sample.id(7), "seq": .int32(0)]
    )
    .index(
      ["orderId": 1], unique: true, where: ["open": true], serves: "at most one open hold per order",
      ["orderId": Sample.id(7), "open": true], besides: "orderId_1_seq_1"
    )
    .index(
      ["brandUserId": 1, "open": 1], serves: "locked breakdown", ["brandUserId": Sample.id(7), "open": true]),

    IndexTable("voided_postings") { number in ["key": .string("key \(number)")] }
      .index(["key": 1], unique: true, serves: "refusals", ["key": "key 7"]),

    IndexTable("payouts") { number in
      [
        "beneficiaryUserId": Sample.id(number % 40), "walletId": Sample.id(number % 40),
        "status": .string(Sample.one(of: ["requested", "processing", "paid"], number)), "provider": "bank",
        "providerRef": .string("ref \(number)"), "requestKey": .string("request \(number)"),
        "agencyCode": .string("AGY_\(number % 20)"),
        "beneficiaryKind": .string(number % 3 == 0 ? "agency" : "mediator"), "requestedAt": Sample.time(number),
        "deletedAt": .null,
      ]
    }
    .index(
      ["provider": 1, "providerRef": 1], unique: true,
      where: ["deletedAt": .null, "provider": ["$type": "string"], "providerRef": ["$type": "string"]],
      serves: "no provider reference twice",
      ["provider": Sample.text("bank"), "providerRef": Sample.text("ref 7"), "deletedAt": .null]
    )
    .index(
      ["requestKey": 1], unique: true, where: ["requestKey": ["$type": "string"]], serves: "repeated requests",
      ["requestKey": Sample.text("request 7")]
    )
    .index(["status": 1, "requestedAt": -1], serves: "queue", ["status": "requested"], sort: ["requestedAt": -1])
    .index(
      ["beneficiaryUserId": 1, "requestedAt": -1], serves: "beneficiary's list", ["beneficiaryUserId": Sample.id(7)],
      sort: ["requestedAt": -1]
    )
    .index(["walletId": 1], serves: "before a wallet is closed", ["walletId": Sample.id(7)])
    .index(
      ["deletedAt": 1, "requestedAt": -1], serves: "privileged list", ["deletedAt": .null],
      sort: ["requestedAt": -1]
    )
    .index(
      ["agencyCode": 1, "beneficiaryKind": 1, "requestedAt": -1], where: ["agencyCode": ["$type": "string"]],
      serves: "payouts of an agency's network", ["agencyCode": Sample.text("AGY_7"), "beneficiaryKind": "mediator"],
      sort: ["requestedAt": -1]),
  ]

  @Test("are those of DOMAIN 3.4, each used by the query that it is for")
  func all() async throws {
    try await TestMongo.withDatabase("wallet_indexes", migrations: WalletMigrations.all) { database in
      try await ([Self.transactions] + Self.others + IndexTable.technical).check(database, WalletMigrations.all)
    }
  }
}

@Suite("Indexes of audit", .enabled(if: TestMongo.isAvailable, "needs MONGODB_URI"))
struct AuditIndexTests {
  private static let log = IndexTable("audit_logs") { number in
    [
      "eventId": .string("event \(number)"), "action": .string("ACTION_\(number % 12)"),
      "entityType": .string(Sample.one(of: ["Order", "Wallet", "User"], number)),
      "entityId": .string("entity \(number % 90)"), "actorUserId": .string("actor \(number % 25)"),
      "createdAt": Sample.time(number),
    ]
  }
  .index(["eventId": 1], unique: true, serves: "at-least-once delivery", ["eventId": "event 7"])
  .index(
    ["createdAt": -1, "action": 1], serves: "one action's newest entries",
    ["createdAt": ["$gte": Sample.time(200)], "action": "ACTION_7"], sort: ["createdAt": -1]
  )
  .index(
    ["createdAt": -1, "_id": -1], serves: "pages of the whole log", [:], sort: ["createdAt": -1, "_id": -1]
  )
  .index(
    ["entityType": 1, "entityId": 1, "createdAt": -1], serves: "the history of one thing",
    ["entityType": "Order", "entityId": "entity 6"], sort: ["createdAt": -1]
  )
  .index(
    ["actorUserId": 1, "createdAt": -1], serves: "what somebody did", ["actorUserId": "actor 7"],
    sort: ["createdAt": -1])

  @Test("are those of DOMAIN 3.5, each used by the query that it is for")
  func all() async throws {
    try await TestMongo.withDatabase("audit_indexes", migrations: AuditMigrations.all) { database in
      try await ([Self.log] + IndexTable.technical).check(database, AuditMigrations.all)
    }
  }
}
