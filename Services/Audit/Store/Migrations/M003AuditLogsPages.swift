import AuditDomain
import Mongo

extension AuditMigrations {
  /// Lists are ordered by time and id. Without this index a page of the whole log would sort the whole log.
  static let auditLogsPages = indexes(
    "003_audit_logs_pages", "Pages of the log in the order of its lists", of: AuditRecord.collection,
    [IndexSpec(AuditRecord.collection, ["createdAt": -1, "_id": -1])])
}
