import Mongo
import Reliability

extension WalletMigrations {
  /// Values are spelled out: an applied migration never changes, and one that allows a further value goes before the
  /// build that writes it.
  static let validators = Migration(
    id: "007_validators", description: "What documents must hold",
    up: [
      .setValidator(collection: Collections.wallets, wallet, previous: nil),
      .setValidator(collection: Collections.transactions, transaction, previous: nil),
      .setValidator(collection: Collections.holds, hold, previous: nil),
      .setValidator(collection: Collections.voidedPostings, voidedPosting, previous: nil),
      .setValidator(collection: Collections.payouts, payout, previous: nil),
      .setValidator(
        collection: Collections.writer, .schema(required: ["batch": .integer(from: 0), "lastBatch": .string]),
        previous: nil),
    ] + TechnicalSchemas.migrationSteps + TechnicalSchemas.leases)

  /// No balance below zero, whoever writes.
  private static let wallet = BSONDocument.schema(
    required: [
      "ownerUserId": .objectID, "ownerKind": .one(of: "shopper", "mediator", "agency", "brand", "platform"),
      "currency": .one(of: "INR"), "availablePaise": .integer(from: 0), "pendingPaise": .integer(from: 0),
      "lockedPaise": .integer(from: 0), "version": .integer(from: 0), "deletedAt": .date.orNull,
    ])

  /// Short on purpose: several rows are inserted with every posting.
  private static let transaction = BSONDocument.schema(
    required: [
      "idempotencyKey": .string, "postingId": .string, "type": .string,
      "status": .one(of: "pending", "completed", "failed", "reversed"), "account": .one(of: "wallet", "external"),
      "direction": .one(of: "debit", "credit"), "amountPaise": .integer(from: 1), "createdAt": .date,
    ])

  private static let hold = BSONDocument.schema(
    required: [
      "orderId": .objectID, "seq": .integer(from: 0), "amountPaise": .integer(from: 0),
      "state": .one(of: "open", "consumed", "released"), "open": .bool, "createdAt": .date,
    ],
    optional: [
      "brandUserId": .objectID, "walletId": .objectID, "commissionPaise": .integer(from: 0),
      "marginPaise": .integer(from: 0),
    ])

  private static let voidedPosting = BSONDocument.schema(required: ["key": .string, "code": .string, "at": .date])

  private static let payout = BSONDocument.schema(
    required: [
      "beneficiaryUserId": .objectID, "walletId": .objectID, "amountPaise": .integer(from: 1),
      "status": .one(of: "requested", "processing", "paid", "failed", "canceled", "recorded"), "requestedAt": .date,
      "deletedAt": .date.orNull,
    ],
    optional: [
      "currency": .one(of: "INR"), "provider": .string.orNull, "providerRef": .string.orNull,
      "requestKey": .string.orNull, "processedAt": .date.orNull, "version": .integer(from: 0),
    ])
}
