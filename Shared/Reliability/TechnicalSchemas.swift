public import Mongo

/// Validators of the collections that every service keeps (DOMAIN 3.6). Little is asked of them: they are written with
/// every change.
public enum TechnicalSchemas {
  public static let migrationSteps: [MigrationStep] = [
    .setValidator(
      collection: Outbox.collection,
      .schema(required: ["aggregate": .string, "seq": .integer, "messages": .array, "dispatched": .bool]),
      previous: nil),
    .setValidator(
      collection: RequestLog.collection,
      .schema(required: ["scope": .string, "key": .string, "fingerprint": .binary, "expiresAt": .date]),
      previous: nil),
  ]

  /// For services that have a leader. A lease and its fence have only the token in common.
  public static let leases: [MigrationStep] = [
    .setValidator(collection: LeaseStore.collection, .schema(required: ["token": .integer(from: 0)]), previous: nil)
  ]
}
