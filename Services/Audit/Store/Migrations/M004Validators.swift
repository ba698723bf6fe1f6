import AuditDomain
import Mongo
import Reliability

extension AuditMigrations {
  static let validators = Migration(
    id: "004_validators", description: "What documents must hold",
    up: [
      .setValidator(
        collection: AuditRecord.collection,
        .schema(
          required: [
            "eventId": .string, "occurredAt": .date, "createdAt": .date, "service": .string, "actorRoles": .array,
            "action": .string, "entityType": .string, "entityId": .string, "metadata": .document,
          ],
          optional: ["actorUserId": .string.orNull, "requestId": .string.orNull]), previous: nil)
    ] + TechnicalSchemas.migrationSteps)
}
