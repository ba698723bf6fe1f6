import Mongo

extension IdentityMigrations {
  static let sessionsIndexes = indexes(
    "006_sessions_indexes", "Sessions by token, family and user, and their end",
    [
      IndexSpec(Collections.sessions, ["tokenHash": 1], unique: true),
      // Revoking a family.
      IndexSpec(Collections.sessions, ["familyId": 1]),
      // Revoking all sessions of a user.
      IndexSpec(Collections.sessions, ["userId": 1, "revokedAt": 1]),
      // Cleaning up only: readers compare `expiresAt` with the clock themselves.
      IndexSpec(Collections.sessions, ["expiresAt": 1], expireAfter: .zero),
    ])
}
