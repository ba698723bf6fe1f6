import Kernel
import Mongo
import Synchronization
import TestKit
import Testing

@Suite("Reads that are joined", .enabled(if: TestMongo.isAvailable, "needs MONGODB_URI"), .serialized)
struct DocumentLoaderTests {
  static let things = Migration(id: "001", description: "things", up: [.createCollection("things")])

  /// Counts the commands that reach the server.
  private final class Finds: MongoListener {
    private let finds = Atomic(0)
    var count: Int { finds.load(ordering: .relaxed) }

    func heard(_ event: MongoEvent) {
      if case .command(let command) = event, command.name == "find" { finds.add(1, ordering: .relaxed) }
    }
  }

  private static func withThings(
    _ label: String, _ body: (TestMongo, DocumentLoader, Finds) async throws -> Void
  ) async throws {
    let finds = Finds()
    try await TestMongo.withMongo(label, migrations: [things], listener: finds) { mongo async throws in
      let all: [BSONDocument] = (0..<200).map { ["_id": .int64($0), "n": .int64($0)] }
      try await mongo.database.run { try $0.insertMany("things", all) }
      try await body(mongo, DocumentLoader(mongo.database, "things"), finds)
    }
  }

  /// Has both lanes wait at the server while `body` asks for more.
  private static func behindBusyLanes(
    _ mongo: TestMongo, _ loader: DocumentLoader, _ body: @escaping @Sendable () async throws -> Void
  ) async throws {
    try await FailPoint(["find"], .block(milliseconds: 700), times: 2).active(for: mongo) {
      async let one = loader.document(.int64(198))
      async let two = loader.document(.int64(199))
      try await TestMongo.await("both lanes to be busy") { loader.lanesBusy == 2 }
      try await body()
      _ = try await (one, two)
    }
  }

  @Test("a lone caller gets its document, or nil")
  func alone() async throws {
    try await Self.withThings("alone") { _, loader, finds async throws in
      let before = finds.count
      #expect(try await loader.document(.int64(7))?.int64("n") == 7)
      #expect(try await loader.document(.int64(700)) == nil)
      #expect(finds.count - before == 2)
    }
  }

  @Test("those who come while both lanes are busy share one command, 64 keys at most, and each gets its own")
  func joined() async throws {
    try await Self.withThings("joined") { mongo, loader, finds async throws in
      let before = finds.count
      try await Self.behindBusyLanes(mongo, loader) {
        try await withThrowingTaskGroup(of: (Int64, Int64?).self) { group in
          for key in 0..<Int64(130) {
            group.addTask { (key, try await loader.document(.int64(key % 65))?.int64("n")) }
          }
          for try await (key, n) in group { #expect(n == key % 65) }
        }
      }
      // The two that blocked, one of 64 keys and one of the last key; more only if the lanes were free before all had
      // asked.
      #expect((4...8).contains(finds.count - before))
    }
  }

  @Test("a key that cannot be read fails alone")
  func badKey() async throws {
    try await Self.withThings("bad") { mongo, loader, _ async throws in
      try await Self.behindBusyLanes(mongo, loader) {
        async let good = loader.document(.int64(1))
        await #expect(throws: MongoFailure.self) { try await loader.document(.objectID("nonsense")) }
        await #expect(throws: MongoFailure.self) { try await loader.document(["$gt": 0]) }
        let n = try await good?.int64("n")
        #expect(n == 1)
      }
    }
  }

  @Test("a command that fails for some reason of its own is made again for each key")
  func failingBatch() async throws {
    try await Self.withThings("failing") { mongo, loader, _ async throws in
      // The first two finds hold the lanes; the third is the joined one.
      try await FailPoint(["find"], .block(milliseconds: 500), times: 2).active(for: mongo) {
        async let one = loader.document(.int64(198))
        async let two = loader.document(.int64(199))
        try await TestMongo.await("both lanes to be busy") { loader.lanesBusy == 2 }
        async let others = withThrowingTaskGroup(of: Int64?.self) { group in
          for key in 0..<Int64(5) { group.addTask { try await loader.document(.int64(key))?.int64("n") } }
          return try await group.reduce(into: Set<Int64?>()) { $0.insert($1) }
        }
        try await TestMongo.await("five to wait") { loader.keysWaiting == 5 }
        try await TestMongo.asOperator { database in
          _ = try await database.run {
            try $0.command(
              [
                "configureFailPoint": "failCommand", "mode": ["times": 1],
                "data": ["failCommands": ["find"], "appName": .string(mongo.appName), "errorCode": 8],
              ], database: "admin")
          }
        }
        let found = try await others
        #expect(found == [0, 1, 2, 3, 4])
        _ = try await (one, two)
      }
    }
  }

  @Test("a caller that gives up, by cancellation or at its deadline, takes nobody with it")
  func givingUp() async throws {
    try await Self.withThings("leaving") { mongo, loader, _ async throws in
      try await Self.behindBusyLanes(mongo, loader) {
        let stays = Task { try await loader.document(.int64(3))?.int64("n") }
        let leaves = Task { try await loader.document(.int64(3))?.int64("n") }
        let late = Task {
          try await Deadline.$current.withValue(.after(.milliseconds(20))) {
            try await loader.document(.int64(4))?.int64("n")
          }
        }
        try await TestMongo.await("all to wait") { loader.keysWaiting == 2 }
        leaves.cancel()
        await #expect(throws: CancellationError.self) { try await leaves.value }
        await #expect(throws: MongoFailure.timeout) { try await late.value }
        #expect(try await stays.value == 3)
      }
    }
  }

  @Test("a read sees what was committed before it was asked for")
  func freshness() async throws {
    try await Self.withThings("fresh") { mongo, loader, _ async throws in
      try await Self.behindBusyLanes(mongo, loader) {
        _ = try await mongo.database.run { try $0.updateOne("things", ["_id": 5], ["$set": ["n": 500]]) }
        #expect(try await loader.document(.int64(5))?.int64("n") == 500)
      }
    }
  }
}
