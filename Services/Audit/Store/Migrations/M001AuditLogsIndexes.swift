import AuditDomain
import Mongo

extension AuditMigrations {
  static let auditLogsIndexes = indexes(
    "001_audit_logs_indexes", "One entry per event, and the ways to look for entries", of: AuditRecord.collection,
    [
      // Entries are delivered at least once and stored once.
      IndexSpec(AuditRecord.collection, ["eventId": 1], unique: true),
      // The newest entries, of all actions or of one.
      IndexSpec(AuditRecord.collection, ["createdAt": -1, "action": 1]),
      // The history of one thing.
      IndexSpec(AuditRecord.collection, ["entityType": 1, "entityId": 1, "createdAt": -1]),
      // What somebody did.
      IndexSpec(AuditRecord.collection, ["actorUserId": 1, "createdAt": -1]),
    ])
}
