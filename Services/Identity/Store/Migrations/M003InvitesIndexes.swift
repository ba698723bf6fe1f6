import Mongo

extension IdentityMigrations {
  static let invitesIndexes = indexes(
    "003_invites_indexes", "Invites by code, state and issuer, and the end of expired ones",
    [
      // Registration.
      IndexSpec(Collections.invites, ["code": 1], unique: true),
      // Conditional consumption.
      IndexSpec(Collections.invites, ["code": 1, "status": 1, "useCount": 1]),
      // Expiry sweep.
      IndexSpec(Collections.invites, ["status": 1, "expiresAt": 1]),
      // Invites of an agency or a mediator.
      IndexSpec(Collections.invites, ["parentCode": 1, "status": 1, "createdAt": -1]),
      // The issuer's list.
      IndexSpec(Collections.invites, ["createdBy": 1, "createdAt": -1]),
      // The administrators' list.
      IndexSpec(Collections.invites, ["createdAt": -1]),
      // Removes an invite 30 days after its expiry, once the sweep has called it expired.
      IndexSpec(
        Collections.invites, ["expiresAt": 1], name: "expiresAt_1_expired_ttl",
        partialFilter: ["status": "expired"], expireAfter: .seconds(2_592_000)),
    ])
}
