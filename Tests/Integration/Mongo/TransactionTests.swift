import Dispatch
import Kernel
import Mongo
import Synchronization
import TestKit
import Testing

@Suite("Transactions on MongoDB", .enabled(if: TestMongo.isAvailable, "needs MONGODB_URI"))
struct TransactionTests {
  static let things = Migration(id: "001", description: "things", up: [.createCollection("things")])

  private struct Refused: Error {}

  @Test("everything is visible after the commit, nothing before")
  func commits() async throws {
    try await TestMongo.withDatabase("commit", migrations: [Self.things]) { database async throws in
      let value = try await database.transaction { connection in
        #expect(connection.isInTransaction)
        try connection.insertMany("things", [["_id": 1], ["_id": 2]])
        #expect(try connection.count("things") == 2)
        return "done"
      }
      #expect(value == "done")
      #expect(try await database.run { try $0.count("things") } == 2)
    }
  }

  @Test("a body that throws leaves nothing behind and is not run again")
  func aborts() async throws {
    try await TestMongo.withDatabase("abort", migrations: [Self.things]) { database async throws in
      let runs = Atomic(0)
      await #expect(throws: Refused.self) {
        try await database.transaction { connection in
          runs.add(1, ordering: .relaxed)
          try connection.insertOne("things", ["_id": 1])
          throw Refused()
        }
      }
      #expect(runs.load(ordering: .relaxed) == 1)
      #expect(try await database.run { try $0.count("things") } == 0)
    }
  }

  @Test("a duplicate key ends the transaction, also when the body swallows it")
  func duplicateKey() async throws {
    try await TestMongo.withDatabase("duplicate", migrations: [Self.things]) { database async throws in
      try await database.run { try $0.insertOne("things", ["_id": 1]) }
      await #expect(throws: MongoFailure.duplicateKey(index: "_id_", collection: "things")) {
        try await database.transaction { connection in
          try connection.insertOne("things", ["_id": 2])
          try? connection.insertOne("things", ["_id": 1])
        }
      }
      #expect(try await database.run { try $0.count("things") } == 1)
    }
  }

  // Goal: a real conflict is retried as a whole. Method: another connection changes the document between the
  // snapshot's read and the write, once.
  @Test("a transaction that loses a document runs again on a new snapshot")
  func writeConflict() async throws {
    try await TestMongo.withMongo("conflict", migrations: [Self.things]) { mongo async throws in
      let database = mongo.database
      try await database.run { try $0.insertOne("things", ["_id": 1, "n": 0]) }
      let lane = try await database.lane()
      let runs = Atomic(0)
      let seen = try await lane.transaction { connection in
        let n = try connection.findOne("things", ["_id": 1])?.int64("n") ?? -1
        if runs.add(1, ordering: .relaxed).newValue == 1 {
          Self.blocking { _ = try await database.run { try $0.updateOne("things", ["_id": 1], ["$inc": ["n": 10]]) } }
        }
        _ = try connection.updateOne("things", ["_id": 1], ["$inc": ["n": 1]])
        return n
      }
      await lane.close()
      #expect(runs.load(ordering: .relaxed) == 2)
      #expect(seen == 10)
      #expect(try await database.run { try $0.findOne("things", ["_id": 1])?.int64("n") } == 11)
    }
  }

  @Test("transactions that fight for one document all take effect exactly once")
  func contention() async throws {
    try await TestMongo.withMongo("contention", migrations: [Self.things], configure: { $0.retryAttempts = 50 }) {
      let database = $0.database
      try await database.run { try $0.insertOne("things", ["_id": 1, "n": 0]) }
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<8 {
          group.addTask {
            _ = try await database.transaction { try $0.updateOne("things", ["_id": 1], ["$inc": ["n": 1]]) }
          }
        }
        try await group.waitForAll()
      }
      #expect(try await database.run { try $0.findOne("things", ["_id": 1])?.int64("n") } == 8)
    }
  }

  @Test("a lane keeps its session, and killing that session frees what it holds")
  func killedLane() async throws {
    try await TestMongo.withMongo("lane", migrations: [Self.things], configure: { $0.retryAttempts = 1 }) {
      mongo async throws in
      let database = mongo.database
      let lane = try await database.lane()
      let first = try await lane.run { $0.sessionID }
      let second = try await lane.transaction { $0.sessionID }
      #expect(first == lane.sessionID)
      #expect(second == lane.sessionID)
      await #expect(throws: MongoFailure.self) {
        try await lane.transaction { connection in
          try connection.insertOne("things", ["_id": 1])
          let id = connection.sessionID
          Self.blocking {
            try await database.run { try $0.killSessions([id]) }
            // The document is free at once.
            try await database.run { try $0.insertOne("things", ["_id": 1, "by": "successor"]) }
          }
          try connection.insertOne("things", ["_id": 2])
        }
      }
      #expect(try await database.run { try $0.find("things").map { try $0.string("by") } } == ["successor"])
      #expect(try await lane.transaction { try $0.count("things") } == 1)
      await lane.close()
    }
  }

  /// A transaction's body is synchronous; what happens "meanwhile" elsewhere is awaited from its thread.
  private static func blocking(_ work: @escaping @Sendable () async throws -> Void) {
    let done = DispatchSemaphore(value: 0)
    Task.detached {
      do { try await work() } catch { Issue.record(error) }
      done.signal()
    }
    done.wait()
  }
}
