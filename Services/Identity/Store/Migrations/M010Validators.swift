import Mongo
import Reliability

extension IdentityMigrations {
  /// Values are spelled out: an applied migration never changes, and one that allows a further value goes before the
  /// build that writes it.
  static let validators = Migration(
    id: "010_validators", description: "What documents must hold",
    up: [
      .setValidator(collection: Collections.users, user, previous: nil),
      .setValidator(collection: Collections.agencies, agency, previous: nil),
      .setValidator(collection: Collections.brands, brand, previous: nil),
      .setValidator(collection: Collections.mediatorProfiles, mediatorProfile, previous: nil),
      .setValidator(collection: Collections.shopperProfiles, shopperProfile, previous: nil),
      .setValidator(collection: Collections.invites, invite, previous: nil),
      .setValidator(collection: Collections.suspensions, suspension, previous: nil),
      .setValidator(collection: Collections.connections, connection, previous: nil),
      .setValidator(collection: Collections.sessions, session, previous: nil),
      .setValidator(collection: Collections.systemConfigs, systemConfig, previous: nil),
    ] + TechnicalSchemas.migrationSteps + TechnicalSchemas.leases)

  private static let role = FieldRule.one(of: "shopper", "mediator", "agency", "brand", "ops", "admin")
  private static let status = FieldRule.one(of: "active", "suspended", "pending")

  private static let user = BSONDocument.schema(
    required: [
      "name": .string, "mobile": .string, "passwordHash": .string, "role": role, "roles": .array, "status": status,
      "suspensionSource": .one(of: "none", "admin", "network"), "isVerifiedByMediator": .bool,
      "kycStatus": .one(of: "none", "pending", "verified", "rejected"), "failedLoginAttempts": .integer(from: 0),
      "createdAt": .date, "updatedAt": .date, "deletedAt": .date.orNull,
    ],
    optional: [
      "username": .string.orNull, "email": .string.orNull, "mediatorCode": .string.orNull,
      "parentCode": .string.orNull, "brandCode": .string.orNull, "kycDocuments": .document.orNull,
      "upiId": .string.orNull, "bankDetails": .document.orNull, "lockoutUntil": .date.orNull,
      "createdBy": .actor.orNull, "updatedBy": .actor.orNull, "deletedBy": .actor.orNull,
    ])

  private static let agency = BSONDocument.schema(
    required: [
      "name": .string, "agencyCode": .string, "ownerUserId": .objectID, "status": status, "createdAt": .date,
      "deletedAt": .date.orNull,
    ])

  private static let brand = BSONDocument.schema(
    required: [
      "name": .string, "brandCode": .string, "ownerUserId": .objectID, "connectedAgencyCodes": .array,
      "status": status, "createdAt": .date, "deletedAt": .date.orNull,
    ])

  private static let mediatorProfile = BSONDocument.schema(
    required: [
      "userId": .objectID, "mediatorCode": .string, "status": status, "createdAt": .date, "deletedAt": .date.orNull,
    ],
    optional: ["parentAgencyCode": .string.orNull])

  private static let shopperProfile = BSONDocument.schema(
    required: ["userId": .objectID, "createdAt": .date, "deletedAt": .date.orNull],
    optional: ["defaultMediatorCode": .string.orNull])

  private static let invite = BSONDocument.schema(
    required: [
      "code": .string, "role": role, "status": .one(of: "active", "used", "revoked", "expired"),
      "maxUses": .integer(from: 1), "useCount": .integer(from: 0), "expiresAt": .date, "createdAt": .date,
    ],
    optional: [
      "label": .string.orNull, "parentUserId": .objectID.orNull, "parentCode": .string.orNull,
      "createdBy": .actor.orNull, "uses": .array, "usedBy": .actor.orNull, "usedAt": .date.orNull,
      "revokedBy": .actor.orNull, "revokedAt": .date.orNull, "expiredAt": .date.orNull,
    ])

  private static let suspension = BSONDocument.schema(
    required: [
      "targetUserId": .objectID, "action": .one(of: "suspend", "unsuspend"), "source": .one(of: "admin", "network"),
      "adminUserId": .actor, "createdAt": .date,
    ],
    optional: ["reason": .string.orNull])

  private static let connection = BSONDocument.schema(
    required: [
      "brandUserId": .objectID, "brandCode": .string, "agencyUserId": .objectID, "agencyCode": .string,
      "agencyName": .string, "status": .one(of: "pending", "approved", "rejected", "removed"), "open": .bool,
      "requestedAt": .date,
    ],
    optional: ["resolvedAt": .date.orNull, "resolvedBy": .actor.orNull])

  private static let session = BSONDocument.schema(
    required: [
      "userId": .objectID, "familyId": .objectID, "tokenHash": .string, "issuedAt": .date, "expiresAt": .date,
    ],
    optional: ["rotatedAt": .date.orNull, "revokedAt": .date.orNull, "revokedReason": .string.orNull])

  private static let systemConfig = BSONDocument.schema(
    required: ["key": .string],
    optional: ["adminContactEmail": .string, "maintenanceMode": .bool, "version": .integer(from: 0)])
}
