import Dispatch
import Kernel
import Mongo
import Synchronization
import TestKit
import Testing

@Suite("Reads that are joined", .enabled(if: TestMongo.isAvailable, "needs MONGODB_URI"))
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

  /// Two connections and two hundred documents: `{_id: n, n: n}`.
  private static func withThings(
    _ label: String, where condition: BSONDocument = [:],
    _ body: (TestMongo, DocumentLoader, Finds) async throws -> Void
  ) async throws {
    let finds = Finds()
    try await TestMongo.withMongo(
      label, migrations: [things], listener: finds,
      configure: {
        $0.poolMax = 2
        $0.waitQueueTimeout = .seconds(60)
      }
    ) { mongo async throws in
      let all: [BSONDocument] = (0..<200).map { ["_id": .int64($0), "n": .int64($0)] }
      try await mongo.database.run { try $0.insertMany("things", all) }
      try await body(mongo, DocumentLoader(mongo.database, "things", where: condition), finds)
    }
  }

  /// Has both commands of the loader wait for a connection until `body` lets them go on.
  private static func behindBusyLanes(
    _ mongo: TestMongo, _ loader: DocumentLoader,
    _ body: @escaping @Sendable (_ release: @Sendable () -> Void) async throws -> Void
  ) async throws {
    let database = mongo.database
    let released = DispatchSemaphore(value: 0)
    let release: @Sendable () -> Void = { for _ in 1...2 { released.signal() } }
    let held = AsyncStream.makeStream(of: Void.self)
    let holders = (1...2).map { _ in
      Task {
        try await database.run { _ in
          held.continuation.yield()
          released.wait()
        }
      }
    }
    // Whatever happens, no thread stays behind.
    defer { release() }
    var iterator = held.stream.makeAsyncIterator()
    for _ in holders { await iterator.next() }
    async let one = loader.document(.int64(198))
    async let two = loader.document(.int64(199))
    try await TestMongo.await("both lanes to be busy") { loader.lanesBusy == 2 }
    try await body(release)
    release()
    _ = try await (one, two)
    for holder in holders { try await holder.value }
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

  @Test("those who come while both lanes are busy share a command of up to 64 keys, and each gets its own")
  func joined() async throws {
    try await Self.withThings("joined") { mongo, loader, finds async throws in
      let before = finds.count
      try await Self.behindBusyLanes(mongo, loader) { release in
        try await withThrowingTaskGroup(of: (Int64, Int64?).self) { group in
          for key in 0..<Int64(130) {
            group.addTask { (key % 65, try await loader.document(.int64(key % 65))?.int64("n")) }
          }
          try await TestMongo.await("all keys to wait") { loader.keysWaiting == 65 && loader.callersWaiting == 130 }
          release()
          for try await (key, n) in group { #expect(n == key) }
        }
      }
      // Those of the lanes, one of 64 keys and one of the last key.
      #expect(finds.count - before == 4)
    }
  }

  @Test("a key that cannot be one fails alone, without a command")
  func badKey() async throws {
    try await Self.withThings("bad") { _, loader, finds async throws in
      let before = finds.count
      await #expect(throws: MongoFailure.self) { try await loader.document(["$gt": 0]) }
      await #expect(throws: MongoFailure.self) { try await loader.document(.null) }
      #expect(finds.count == before)
    }
  }

  // Goal: what is wrong with one document is nobody else's trouble. Method: the loader's condition divides by `n`,
  // which the server refuses for the document 0.
  @Test("a document that the server cannot read fails its own callers only")
  func failingKey() async throws {
    let divides: BSONDocument = ["$expr": ["$gte": [["$divide": [1, "$n"]], 0]]]
    try await Self.withThings("failing", where: divides) { mongo, loader, _ async throws in
      try await Self.behindBusyLanes(mongo, loader) { release in
        let tasks = (0..<Int64(5)).map { key in Task { try await loader.document(.int64(key))?.int64("n") } }
        try await TestMongo.await("five to wait") { loader.keysWaiting == 5 }
        release()
        for (key, task) in tasks.enumerated().dropFirst() {
          let n = try await task.value
          #expect(n == Int64(key))
        }
        await #expect(throws: MongoFailure.self) { try await tasks[0].value }
      }
    }
  }

  @Test("a caller that gives up, by cancellation or at its deadline, takes nobody with it")
  func givingUp() async throws {
    try await Self.withThings("leaving") { mongo, loader, _ async throws in
      try await Self.behindBusyLanes(mongo, loader) { release in
        let stays = Task { try await loader.document(.int64(3))?.int64("n") }
        let leaves = Task { try await loader.document(.int64(3))?.int64("n") }
        let late = Task {
          try await Deadline.$current.withValue(.after(.milliseconds(20))) {
            try await loader.document(.int64(4))?.int64("n")
          }
        }
        try await TestMongo.await("all to wait") { loader.callersWaiting == 3 }
        leaves.cancel()
        await #expect(throws: CancellationError.self) { try await leaves.value }
        await #expect(throws: MongoFailure.timeout) { try await late.value }
        release()
        let n = try await stays.value
        #expect(n == 3)
      }
    }
  }

  @Test("a read sees what was committed before it was asked for, although others read already")
  func freshness() async throws {
    try await Self.withThings("fresh") { mongo, loader, _ async throws in
      try await Self.behindBusyLanes(mongo, loader) { release in
        try await TestMongo.asOperator { other in
          _ = try await other.renamed(mongo.database.name).run {
            try $0.updateOne("things", ["_id": 5], ["$set": ["n": 500]])
          }
        }
        let reading = Task { try await loader.document(.int64(5))?.int64("n") }
        try await TestMongo.await("it to wait") { loader.callersWaiting == 1 }
        release()
        let n = try await reading.value
        #expect(n == 500)
      }
    }
  }
}
