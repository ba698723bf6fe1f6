import Mongo

/// The schema of `mobo_identity`, oldest change first. An applied migration is never edited: a change is a new one.
public enum IdentityMigrations {
  public static let all: [Migration] = [
    usersIndexes, roleDocumentsIndexes, invitesIndexes, suspensionsIndexes, connectionsIndexes, sessionsIndexes,
    systemConfigsIndexes, technicalCollections, leases, validators,
  ]

  /// Shorthand of the partial filters: live documents only.
  static let live: BSONDocument = ["deletedAt": .null]

  /// A migration that builds indexes, and with them the collections.
  static func indexes(_ id: String, _ description: String, _ specs: [IndexSpec]) -> Migration {
    Migration(id: id, description: description, up: [.createIndexes(specs)])
  }
}
