import Kernel
import Synchronization
import TestKit
import Testing

@testable import Mongo

// Serialized: the server has one failpoint for commands, and tests of it take turns anyway.
@Suite("Change streams", .enabled(if: TestMongo.isAvailable, "needs MONGODB_URI"), .serialized)
struct ChangeStreamTests {
  private static let things = Migration(id: "001", description: "things", up: [.createCollection("things")])

  private static func insert(_ database: MongoDatabase, _ ids: ClosedRange<Int64>) async throws {
    for id in ids { try await database.run { try $0.insertOne("things", ["_id": .int64(id)]) } }
  }

  /// The ids of the next `count` documents that were inserted.
  private static func ids(_ stream: ChangeStream, _ count: Int) async throws -> [Int64] {
    var ids: [Int64] = []
    while ids.count < count {
      ids += try await stream.next().map { try $0.document("documentKey").int64("_id") }
    }
    return ids
  }

  @Test("changes are seen in their order, and only what was committed")
  func committed() async throws {
    struct Refused: Error {}
    try await TestMongo.withDatabase("stream", migrations: [Self.things]) { database async throws in
      let seen = try await database.watching("things") { stream in
        try await Self.insert(database, 1...2)
        await #expect(throws: Refused.self) {
          try await database.transaction { connection in
            try connection.insertOne("things", ["_id": 3])
            throw Refused()
          }
        }
        try await database.transaction { connection in
          for id in 4...5 as ClosedRange<Int64> { try connection.insertOne("things", ["_id": .int64(id)]) }
        }
        return try await Self.ids(stream, 4)
      }
      #expect(seen == [1, 2, 4, 5])
    }
  }

  @Test("a stored position begins behind what was worked on, and a time with what came after it")
  func positions() async throws {
    try await TestMongo.withDatabase("resume", migrations: [Self.things]) { database async throws in
      let start = try await database.run { try $0.operationTime() }
      try await Self.insert(database, 1...2)
      let token = try await database.watching("things", from: .at(start)) { stream in
        let seen = try await Self.ids(stream, 2)
        #expect(seen == [1, 2])
        return try #require(stream.resumeToken)
      }
      try await Self.insert(database, 3...4)
      let stored = ResumeToken(try BSONDocument(validating: token.document.bytes))
      let seen = try await database.watching("things", from: .after(stored)) { try await Self.ids($0, 2) }
      #expect(seen == [3, 4])
    }
  }

  // Goal: nothing is lost or seen twice. Method: two calls for more changes fail, each in another way.
  @Test(
    "a stream goes on after its connection, its primary or its cursor is gone",
    arguments: [
      FailPoint.Effect.closeConnection, .error(code: 10_107), .error(code: 11_600), .error(code: 43), .error(code: 237),
    ])
  func interrupted(effect: FailPoint.Effect) async throws {
    try await TestMongo.withMongo("interrupted", migrations: [Self.things]) { mongo async throws in
      let seen = try await FailPoint(["getMore"], effect, times: 2).active(for: mongo) {
        try await mongo.database.watching("things") { stream in
          try await Self.insert(mongo.database, 1...2)
          let first = try await Self.ids(stream, 2)
          try await Self.insert(mongo.database, 3...3)
          return try await first + Self.ids(stream, 1)
        }
      }
      #expect(seen == [1, 2, 3])
    }
  }

  @Test("a stream is opened as soon as there is a primary to open it at")
  func openedLate() async throws {
    try await TestMongo.withMongo("late", migrations: [Self.things]) { mongo async throws in
      let seen = try await FailPoint(["aggregate"], .error(code: 10_107), times: 2).active(for: mongo) {
        try await mongo.database.watching("things") { stream in
          try await Self.insert(mongo.database, 1...1)
          return try await Self.ids(stream, 1)
        }
      }
      #expect(seen == [1])
    }
  }

  @Test("a position that the server no longer knows is told apart, whether at the beginning or later")
  func positionLost() async throws {
    try await TestMongo.withMongo("lost", migrations: [Self.things]) { mongo async throws in
      // What a server says whose oplog does not reach back so far.
      for command in ["aggregate", "getMore"] {
        await #expect(throws: ChangeStreamFailure.self) {
          try await FailPoint([command], .error(code: 286)).active(for: mongo) {
            try await mongo.database.watching("things") { _ = try await $0.next() }
          }
        }
      }
    }
  }

  @Test("a refusal that does not pass is the caller's")
  func refused() async throws {
    try await TestMongo.withMongo("refused", migrations: [Self.things]) { mongo async throws in
      // 13: not allowed to watch.
      await #expect(throws: MongoFailure.self) {
        try await FailPoint(["getMore"], .error(code: 13)).active(for: mongo) {
          try await mongo.database.watching("things") { _ = try await $0.next() }
        }
      }
    }
  }

  @Test("a dropped collection ends its stream, after what happened before")
  func dropped() async throws {
    try await TestMongo.withDatabase("dropped", migrations: [Self.things]) { database async throws in
      try await database.watching("things") { stream in
        try await Self.insert(database, 1...1)
        _ = try await database.run { try $0.command(["drop": "things"]) }
        await #expect(throws: ChangeStreamFailure.self) {
          var kinds: [String] = []
          while true {
            kinds += try await stream.next().map { try $0.string("operationType") }
            #expect(kinds.first == "insert")
          }
        }
      }
    }
  }

  @Test("a cancelled stream leaves no cursor at the server, also one that was waiting there")
  func cancelled() async throws {
    try await TestMongo.withMongo("cancelled", migrations: [Self.things]) { mongo async throws in
      let stands = AsyncStream.makeStream(of: Void.self)
      let task = Task {
        try await mongo.database.watching("things") { stream in
          stands.continuation.yield()
          _ = try await stream.next()
        }
      }
      for await _ in stands.stream { break }
      // Whether it waits by now or is about to: both must end.
      task.cancel()
      await #expect(throws: CancellationError.self) { try await task.value }
      let namespace = "\(mongo.database.name).things"
      try await TestMongo.asOperator { operators in
        // Bounded: the server ends a wait after the stream's patience.
        while try await Self.cursors(namespace, operators) > 0 { await Task.yield() }
      }
    }
  }

  private static func cursors(_ namespace: String, _ database: MongoDatabase) async throws -> Int {
    try await database.run { connection in
      try connection.command(
        [
          "aggregate": 1, "cursor": [:],
          "pipeline": .documents([
            ["$currentOp": ["allUsers": true, "idleCursors": true]],
            ["$match": ["ns": .string(namespace), "cursor": ["$exists": true]]],
          ]),
        ], database: "admin"
      ).document("cursor").documents("firstBatch").count
    }
  }

  @Test("streams that wait take no connection from calls")
  func ownThreads() async throws {
    try await TestMongo.withMongo("own", migrations: [Self.things], configure: { $0.poolMax = 1 }) {
      mongo async throws in
      let database = mongo.database
      try await withThrowingTaskGroup(of: [Int64].self) { group in
        let stands = AsyncStream.makeStream(of: Void.self)
        for _ in 1...3 {
          group.addTask {
            try await database.watching("things") { stream in
              stands.continuation.yield()
              return try await Self.ids(stream, 1)
            }
          }
        }
        var standing = stands.stream.makeAsyncIterator()
        for _ in 1...3 { await standing.next() }
        try await Self.insert(database, 1...1)
        for try await seen in group { #expect(seen == [1]) }
      }
    }
  }
}
