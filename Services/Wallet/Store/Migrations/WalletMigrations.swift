public import Mongo

/// The schema of `mobo_wallet`, oldest change first. An applied migration is never edited: a change is a new one.
public enum WalletMigrations {
  public static let all: [Migration] = [
    walletsIndexes, transactionsIndexes, holdsIndexes, payoutsIndexes, technicalCollections, leases, validators,
    readsIndexes,
  ]

  /// Collections are created with their indexes, so that no transaction ever has to.
  static func indexes(
    _ id: String, _ description: String, also collections: [String] = [], _ specs: [IndexSpec]
  ) -> Migration {
    var names: [String] = []
    for name in specs.map(\.collection) + collections where !names.contains(name) { names.append(name) }
    return Migration(
      id: id, description: description, up: names.map { .createCollection($0) } + [.createIndexes(specs)])
  }
}
