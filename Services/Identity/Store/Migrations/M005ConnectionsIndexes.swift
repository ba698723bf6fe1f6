import Mongo

extension IdentityMigrations {
  static let connectionsIndexes = indexes(
    "005_connections_indexes", "One open connection per pair; inboxes of brands and agencies",
    [
      IndexSpec(
        Collections.connections, ["brandUserId": 1, "agencyCode": 1], unique: true, partialFilter: ["open": true]),
      // The brand's inbox and its number of pending requests.
      IndexSpec(Collections.connections, ["brandUserId": 1, "status": 1, "requestedAt": -1]),
      // The agency's view.
      IndexSpec(Collections.connections, ["agencyCode": 1, "status": 1, "requestedAt": -1]),
    ])
}
