import Mongo

extension IdentityMigrations {
  static let usersIndexes = indexes(
    "001_users_indexes", "Logins, duplicate checks, codes and lists of users",
    [
      // Login and duplicate check.
      IndexSpec(Collections.users, ["mobile": 1], name: IndexNames.mobile, unique: true, partialFilter: live),
      // Duplicate check.
      IndexSpec(
        Collections.users, ["email": 1], name: IndexNames.email, unique: true,
        partialFilter: ["deletedAt": .null, "email": ["$type": "string"]]),
      // Staff login.
      IndexSpec(
        Collections.users, ["username": 1], name: IndexNames.username, unique: true,
        partialFilter: ["deletedAt": .null, "username": ["$type": "string"]]),
      // Codes are never recycled, so deleted users are in these two.
      IndexSpec(
        Collections.users, ["mediatorCode": 1], unique: true, partialFilter: ["mediatorCode": ["$type": "string"]]),
      IndexSpec(Collections.users, ["brandCode": 1], unique: true, partialFilter: ["brandCode": ["$type": "string"]]),
      // Brand, and agency or mediator, by code and role.
      IndexSpec(Collections.users, ["brandCode": 1, "roles": 1, "deletedAt": 1]),
      IndexSpec(Collections.users, ["mediatorCode": 1, "roles": 1, "deletedAt": 1]),
      // Counts and lists by role and status.
      IndexSpec(Collections.users, ["roles": 1, "status": 1, "deletedAt": 1]),
      // Mediators of an agency; pending and verified shoppers of a mediator.
      IndexSpec(Collections.users, ["parentCode": 1, "roles": 1, "isVerifiedByMediator": 1, "createdAt": -1]),
      // KYC queue.
      IndexSpec(Collections.users, ["kycStatus": 1, "roles": 1, "createdAt": -1]),
      // The administrators' list.
      IndexSpec(Collections.users, ["deletedAt": 1, "createdAt": -1, "_id": -1]),
    ])
}
