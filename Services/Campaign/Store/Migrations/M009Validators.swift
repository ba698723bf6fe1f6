import CampaignDomain
import Mongo
import Reliability

extension CampaignMigrations {
  /// Values are spelled out: an applied migration never changes, and one that allows a further value goes before the
  /// build that writes it.
  static let validators = Migration(
    id: "009_validators", description: "What documents must hold",
    up: [
      .setValidator(collection: Campaign.collection, campaign, previous: nil),
      .setValidator(collection: Assignment.collection, assignment, previous: nil),
      .setValidator(collection: Deal.collection, deal, previous: nil),
      .setValidator(collection: Reservation.collection, reservation, previous: nil),
    ] + TechnicalSchemas.migrationSteps + TechnicalSchemas.leases)

  private static let dealType = FieldRule.one(of: "Discount", "Review", "Rating")

  private static let campaign = BSONDocument.schema(
    required: [
      "title": .string, "brandUserId": .objectID, "ownerKind": .one(of: "brand", "agency", "mediator"),
      "brandName": .string, "platform": .string, "image": .string, "productUrl": .string,
      "pricePaise": .integer(from: 1), "originalPricePaise": .integer(from: 0), "payoutPaise": .integer(from: 0),
      "dealType": dealType, "returnWindowDays": .integer(from: 0), "totalSlots": .integer(from: 1),
      "usedSlots": .integer(from: 0), "assignedSlots": .integer(from: 0),
      "status": .one(of: "draft", "active", "paused", "completed"), "allowedAgencyCodes": .array, "locked": .bool,
      "hasOrders": .bool, "version": .integer(from: 0), "createdAt": .date, "updatedAt": .date,
      "deletedAt": .date.orNull,
    ],
    optional: [
      "lockedAt": .date.orNull, "lockedReason": .one(of: "SLOT_ASSIGNMENT", "FIRST_ORDER").orNull,
    ])

  private static let assignment = BSONDocument.schema(
    required: [
      "campaignId": .objectID, "code": .string, "codeKind": .one(of: "mediator", "agency"), "agencyCode": .string,
      "limit": .integer(from: 0), "usedSlots": .integer(from: 0), "settledSlots": .integer(from: 0),
      "active": .bool, "version": .integer(from: 0), "createdAt": .date, "updatedAt": .date,
    ],
    optional: [
      "payoutPaise": .integer(from: 0).orNull, "commissionPaise": .integer(from: 0).orNull,
      "assignedBy": .actor.orNull,
    ])

  private static let deal = BSONDocument.schema(
    required: [
      "campaignId": .objectID, "mediatorCode": .string, "title": .string, "image": .string, "productUrl": .string,
      "platform": .string, "brandName": .string, "dealType": dealType, "originalPricePaise": .integer(from: 0),
      "pricePaise": .integer(from: 1), "returnWindowDays": .integer(from: 0), "commissionPaise": .integer(from: 0),
      "payoutPaise": .integer(from: 0), "inactiveReasons": .array, "active": .bool, "createdAt": .date,
      "updatedAt": .date, "deletedAt": .date.orNull,
    ],
    optional: ["description": .string, "category": .string, "rating": .integer(from: 0)])

  private static let reservation = BSONDocument.schema(
    required: [
      "orderId": .objectID, "campaignId": .objectID, "mediatorCode": .string, "agencyCode": .string,
      "state": .one(of: "held", "consumed", "released"), "orderVersion": .integer(from: 0), "createdAt": .date,
      "updatedAt": .date,
    ],
    optional: ["releasedReason": .string.orNull])
}
