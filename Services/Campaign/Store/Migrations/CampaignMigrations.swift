public import Mongo

/// The schema of `mobo_campaign`, oldest change first. An applied migration is never edited: a change is a new one.
public enum CampaignMigrations {
  public static let all: [Migration] = [
    campaignsIndexes, assignmentsIndexes, dealsIndexes, slotReservationsIndexes, technicalCollections,
    heldReservations, leases, orderVersions, validators,
  ]

  /// The collection and its indexes. Going back drops the indexes and keeps the documents.
  static func indexes(
    _ id: String, _ description: String, of collection: String, _ specs: [IndexSpec]
  ) -> Migration {
    Migration(id: id, description: description, up: [.createCollection(collection), .createIndexes(specs)])
  }
}
