import Mongo

extension IdentityMigrations {
  static let suspensionsIndexes = indexes(
    "004_suspensions_indexes", "Suspensions by target and by whoever decided them",
    [
      IndexSpec(Collections.suspensions, ["targetUserId": 1, "createdAt": -1]),
      IndexSpec(Collections.suspensions, ["adminUserId": 1, "createdAt": -1]),
    ])
}
