import AuditDomain
public import Mongo

/// The schema of `mobo_audit`, oldest change first. An applied migration is never edited: a change is a new one.
public enum AuditMigrations {
  public static let all: [Migration] = [auditLogsIndexes, technicalCollections, auditLogsPages, validators]

  /// The collections of the log itself: nothing in them is ever changed or removed.
  public static let appendOnlyCollections: Set = [AuditRecord.collection]

  /// The collection and its indexes. Going back drops the indexes and keeps the documents.
  static func indexes(
    _ id: String, _ description: String, of collection: String, _ specs: [IndexSpec]
  ) -> Migration {
    Migration(id: id, description: description, up: [.createCollection(collection), .createIndexes(specs)])
  }
}
