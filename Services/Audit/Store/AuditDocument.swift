import AuditDomain
import Kernel
import Mongo

extension AuditRecord {
  static let collection = "audit_logs"

  init(_ document: BSONDocument) throws {
    self.init(
      id: try document.id("_id"), createdAt: try document.datetime("createdAt"),
      entry: AuditEntry(
        eventID: try document.string("eventId"), occurredAt: try document.datetime("occurredAt"),
        service: try document.string("service"), actorUserID: try document.optionalString("actorUserId"),
        actorRoles: try document.strings("actorRoles"), action: try document.string("action"),
        entityType: try document.string("entityType"), entityID: try document.string("entityId"),
        requestID: try document.optionalString("requestId"),
        client: ClientDescription(
          ip: try document.optionalString("ip"), userAgent: try document.optionalString("userAgent")),
        metadata: try document.document("metadata").auditMetadata()))
  }

  var document: BSONDocument {
    [
      "_id": .id(id), "eventId": .string(entry.eventID), "occurredAt": .datetime(entry.occurredAt),
      "service": .string(entry.service), "actorUserId": .optional(entry.actorUserID),
      "actorRoles": .array(entry.actorRoles.map { .string($0) }), "action": .string(entry.action),
      "entityType": .string(entry.entityType), "entityId": .string(entry.entityID),
      "requestId": .optional(entry.requestID), "ip": .optional(entry.client.ip),
      "userAgent": .optional(entry.client.userAgent),
      "metadata": .document(BSONDocument(entry.metadata)), "createdAt": .datetime(createdAt),
    ]
  }
}
