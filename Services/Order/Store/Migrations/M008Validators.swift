import Mongo
import Reliability

extension OrderMigrations {
  /// Values are spelled out: an applied migration never changes, and one that allows a further value goes before the
  /// build that writes it.
  static let validators = Migration(
    id: "008_validators", description: "What documents must hold",
    up: [
      .setValidator(collection: Collections.orders, order, previous: nil),
      .setValidator(collection: Collections.orderProofs, orderProof, previous: nil),
      .setValidator(collection: Collections.tickets, ticket, previous: nil),
      .setValidator(
        collection: Collections.shopperLocks, .schema(required: ["creations": .integer(from: 0)]), previous: nil),
    ] + TechnicalSchemas.migrationSteps + TechnicalSchemas.leases)

  private static let order = BSONDocument.schema(
    required: [
      "userId": .objectID, "brandUserId": .objectID, "campaignId": .objectID, "dealId": .objectID,
      "mediatorCode": .string, "agencyCode": .string, "buyerMobile": .string, "item": .document,
      "totalPaise": .integer(from: 0), "economics": .document,
      "workflowStatus": .one(
        of: "CREATED", "REDIRECTED", "ORDERED", "PROOF_SUBMITTED", "UNDER_REVIEW", "APPROVED", "REJECTED",
        "REWARD_PENDING", "COMPLETED", "FAILED"),
      "status": .one(of: "Ordered", "Shipped", "Delivered", "Cancelled", "Returned"),
      "paymentStatus": .one(of: "Pending", "Paid", "Refunded", "Failed"), "affiliateStatus": affiliateStatus,
      "claimActive": .bool, "frozen": .bool,
      "fundsHold": .one(of: "none", "requested", "held", "unfunded", "consumed", "released"),
      "holdSeq": .integer(from: 0), "events": .array, "version": .integer(from: 0), "createdAt": .date,
      "updatedAt": .date, "deletedAt": .date.orNull,
    ],
    optional: [
      "heldAffiliateStatus": affiliateStatus.orNull, "externalOrderId": .string.orNull, "orderedAt": .date.orNull,
      "approvedAt": .date.orNull, "coolingEndsAt": .date.orNull, "frozenAt": .date.orNull,
      "reproofDeadline": .date.orNull, "pendingSaga": .document.orNull, "settlement": .document.orNull,
      "rejection": .document.orNull,
    ])

  private static let affiliateStatus = FieldRule.one(
    of: "Unchecked", "Pending_Cooling", "Approved_Settled", "Rejected", "Fraud_Alert", "Cap_Exceeded",
    "Frozen_Disputed")

  private static let orderProof = BSONDocument.schema(
    required: [
      "orderId": .objectID, "type": .one(of: "order", "payment", "review", "rating", "returnWindow"),
      "version": .integer(from: 1), "sizeBytes": .integer(from: 0),
      "state": .one(of: "current", "superseded", "rejected"), "submittedAt": .date,
    ],
    optional: [
      "contentType": .string, "bytes": .binary.orNull, "sha256": .string.orNull, "submittedBy": .actor.orNull,
    ])

  private static let ticket = BSONDocument.schema(
    required: [
      "userId": .objectID, "userName": .string,
      "role": .one(of: "shopper", "mediator", "agency", "brand", "ops", "admin"), "issueType": .string,
      "description": .string, "status": .one(of: "Open", "Resolved", "Rejected"), "createdAt": .date,
      "deletedAt": .date.orNull,
    ],
    optional: [
      "orderId": .objectID.orNull, "resolvedBy": .actor.orNull, "resolvedAt": .date.orNull,
      "resolutionNote": .string.orNull,
    ])
}
