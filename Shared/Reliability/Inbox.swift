import Kernel
import Mongo

/// Lets a receiver of events act once on each, however often it arrives (PLATFORM 4): the event's id is remembered in
/// the transaction of its effect.
///
/// A receiver that stores the event itself under a unique id, as audit does, needs no inbox.
public struct Inbox: Sendable {
  public static let collection = "inbox"
  /// Longer than any sender keeps trying what it has delivered already: its outbox forgets that after seven days.
  static let kept = Duration.seconds(30 * 86_400)

  /// For the receiver's own list of migrations.
  public static let migrationSteps: [MigrationStep] = [
    .createCollection(collection),
    .createIndexes([IndexSpec(collection, ["receivedAt": 1], expireAfter: kept)]),
  ]

  public enum Outcome: Hashable, Sendable {
    /// The effect is there since now.
    case applied
    /// It was there before: to be answered like the first time.
    case repeated
  }

  private let database: MongoDatabase
  private let receiver: String

  /// - Parameter receiver: names what is done with events; each receiver of an event acts on it once.
  public init(_ database: MongoDatabase, receiver: String) {
    self.database = database
    self.receiver = receiver
  }

  /// Runs `effect` in one transaction with the note that it happened, unless it has happened. Of two at once one waits
  /// for the other. May run `effect` several times, as `MongoDatabase.transaction` does.
  ///
  /// - Parameter eventID: as the outbox has made it, unique among all services.
  public func once(
    _ eventID: String, _ effect: @escaping @Sendable (MongoConnection) throws -> Void
  ) async throws -> Outcome {
    do {
      return try await attempt(eventID, effect)
    } catch MongoFailure.duplicateKey(_, Self.collection) {
      // The other one has committed since our snapshot: now it is seen.
      return try await attempt(eventID, effect)
    }
  }

  private func attempt(
    _ eventID: String, _ effect: @escaping @Sendable (MongoConnection) throws -> Void
  ) async throws -> Outcome {
    let key = "\(receiver)/\(eventID)"
    // It finds itself, so a commit of unknown outcome is resolved by running it again.
    return try await database.transaction(findsItself: true) { connection in
      guard try Self.isFirst(key, connection) else { return .repeated }
      try effect(connection)
      return .applied
    }
  }

  /// Writes the note, or finds it. The time is the server's: it only decides when the note is cleaned up.
  private static func isFirst(_ key: String, _ connection: MongoConnection) throws -> Bool {
    try connection.updateOne(
      collection, ["_id": .string(key)],
      pipeline: [["$set": ["receivedAt": ["$ifNull": ["$receivedAt", "$$NOW"]]]]], upsert: true
    ).upsertedID != nil
  }
}
