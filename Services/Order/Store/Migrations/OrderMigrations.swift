public import Mongo

/// The schema of `mobo_order`, oldest change first. An applied migration is never edited: a change is a new one.
public enum OrderMigrations {
  public static let all: [Migration] = [ordersIndexes, orderProofsIndexes, ticketsIndexes, sagaIndexes]

  /// A migration that builds indexes, and whose way back drops them.
  static func indexes(_ id: String, _ description: String, _ specs: [IndexSpec]) -> Migration {
    Migration(
      id: id, description: description, up: specs.map { .createIndex($0) },
      down: specs.reversed().map { .dropIndex($0) })
  }
}
