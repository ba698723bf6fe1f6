import Kernel
import Mongo
import Reliability
import Synchronization
import TestKit
import Testing

@Suite("The inbox", .enabled(if: TestMongo.isAvailable, "needs MONGODB_URI"))
struct InboxTests {
  private static let migration = Migration(
    id: "001_inbox", description: "inbox", up: Inbox.migrationSteps + [.createCollection("effects")])

  private static func effects(_ database: MongoDatabase) async throws -> Int64 {
    try await database.run { try $0.count("effects") }
  }

  private static let effect: @Sendable (MongoConnection) throws -> Void = { try $0.insertOne("effects", [:]) }

  @Test("an event acts once for each receiver, and its repetition is told apart")
  func once() async throws {
    try await TestMongo.withDatabase("inbox", migrations: [Self.migration]) { database async throws in
      let inbox = Inbox(database, receiver: "deals")
      #expect(try await inbox.once("identity/user/1#0", Self.effect) == .applied)
      #expect(try await inbox.once("identity/user/1#0", Self.effect) == .repeated)
      #expect(try await inbox.once("identity/user/1#1", Self.effect) == .applied)
      #expect(try await Inbox(database, receiver: "orders").once("identity/user/1#0", Self.effect) == .applied)
      #expect(try await Self.effects(database) == 3)
    }
  }

  @Test("an effect that fails leaves the event to be received again")
  func failing() async throws {
    struct Refused: Error {}
    try await TestMongo.withDatabase("failing", migrations: [Self.migration]) { database async throws in
      let inbox = Inbox(database, receiver: "deals")
      await #expect(throws: Refused.self) {
        try await inbox.once("e") { connection in
          try Self.effect(connection)
          throw Refused()
        }
      }
      #expect(try await Self.effects(database) == 0)
      #expect(try await inbox.once("e", Self.effect) == .applied)
    }
  }

  @Test("of several deliveries at once one acts, and all are answered")
  func together() async throws {
    try await TestMongo.withMongo("together", migrations: [Self.migration], configure: { $0.retryAttempts = 20 }) {
      mongo async throws in
      let inbox = Inbox(mongo.database, receiver: "deals")
      let outcomes = try await withThrowingTaskGroup(of: Inbox.Outcome.self) { group in
        for _ in 1...6 { group.addTask { try await inbox.once("e", Self.effect) } }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(outcomes.filter { $0 == .applied }.count == 1 && outcomes.count == 6)
      #expect(try await Self.effects(mongo.database) == 1)
    }
  }

  @Test("a commit of unknown outcome is found, not made twice")
  func unknownCommit() async throws {
    try await TestMongo.withMongo("unknown", migrations: [Self.migration]) { mongo async throws in
      let inbox = Inbox(mongo.database, receiver: "deals")
      let lost = FailPoint.Effect.writeConcernError(code: 64, labels: ["UnknownTransactionCommitResult"])
      let outcome = try await FailPoint(["commitTransaction"], lost, times: 3).active(for: mongo) {
        try await inbox.once("e", Self.effect)
      }
      #expect(outcome == .repeated)
      #expect(try await Self.effects(mongo.database) == 1)
    }
  }

  @Test("notes carry the database's time, by which they are cleaned up")
  func kept() async throws {
    try await TestMongo.withDatabase("kept", migrations: [Self.migration]) { database async throws in
      _ = try await Inbox(database, receiver: "deals").once("e", Self.effect)
      let note = try #require(try await database.run { try $0.findOne(Inbox.collection, ["_id": "deals/e"]) })
      #expect(try note.datetime("receivedAt").milliseconds > 0)
      let index = try await database.run { connection in
        try connection.command(["listIndexes": .string(Inbox.collection)]).document("cursor").documents("firstBatch")
      }.first { try $0.string("name") == "receivedAt_1" }
      #expect(try index?.int64("expireAfterSeconds") == 30 * 86_400)
    }
  }
}
