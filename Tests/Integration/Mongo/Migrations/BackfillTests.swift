import Kernel
import Synchronization
import TestKit
import Testing

@testable import Mongo

@Suite("Backfills", .enabled(if: TestMongo.isAvailable, "needs MONGODB_URI"))
struct BackfillTests {
  /// Counts how often each document was changed.
  private static func migration(undo: [BSONDocument]? = nil, batchSize: Int = 7) -> Migration {
    Migration(
      id: "001", description: "the new form",
      up: [
        .createCollection("items"),
        .backfill(
          Backfill(
            "items", where: ["form": ["$exists": false]],
            change: [["$set": ["form": 2, "changes": ["$add": [["$ifNull": ["$changes", 0]], 1]]]]], undo: undo,
            batchSize: batchSize, documentsPerSecond: 1_000_000)),
      ])
  }

  /// Ids of several types, which a comparison by `$gt` would not bring together.
  private static func fill(_ database: MongoDatabase, count: Int) async throws {
    try await database.run { connection in
      try connection.insertMany(
        "items",
        (0..<count).map { number in
          switch number % 3 {
          case 0: ["_id": .int64(Int64(number))]
          case 1: ["_id": .string("id \(number)")]
          default: [:]
          }
        })
    }
  }

  /// Documents by how often they were changed.
  private static func changes(_ database: MongoDatabase) async throws -> [Int64: Int] {
    try await database.run { connection in
      var counts: [Int64: Int] = [:]
      for document in try connection.find("items") {
        counts[try document.optionalInt64("changes") ?? 0, default: 0] += 1
      }
      return counts
    }
  }

  /// Ends the wait for the first report, once.
  private final class FirstReport: Sendable {
    private let stream: AsyncStream<MigrationProgress>
    private let continuation: AsyncStream<MigrationProgress>.Continuation
    let all = Mutex<[MigrationProgress]>([])

    init() {
      (stream, continuation) = AsyncStream.makeStream()
    }

    func tell(_ progress: MigrationProgress) {
      all.withLock { $0.append(progress) }
      continuation.yield(progress)
    }

    func wait() async {
      for await _ in stream { return }
    }
  }

  @Test("change every document once, whatever its id is, and say how far they are")
  func complete() async throws {
    try await TestMongo.withDatabase("backfill") { database async throws in
      try await Self.fill(database, count: 100)
      try await database.run { try $0.insertOne("items", ["_id": "new already", "form": 2]) }
      let reports = FirstReport()
      let runner = MigrationRunner(database, [Self.migration()], options: .init(report: { reports.tell($0) }))
      #expect(try await runner.plan()[0].steps[1].effects == ["items: 100 of 101 documents are changed, in about 1 s"])
      #expect(try await runner.up() == ["001"])
      #expect(try await Self.changes(database) == [1: 100, 0: 1])
      let told = reports.all.withLock { $0 }
      #expect(told.map(\.done) == Array(stride(from: 7, through: 98, by: 7)) + [101])
      #expect(told.last?.changed == 100)
      #expect(try await runner.verify() == [])
      // A document in the old form that comes later is found.
      try await database.run { try $0.insertOne("items", ["_id": "late"]) }
      #expect(try await runner.verify().map(\.problem) == [.oldDocuments])
    }
  }

  @Test("that were stopped go on from their checkpoint")
  func resumed() async throws {
    try await TestMongo.withDatabase("resumed") { database async throws in
      try await Self.fill(database, count: 50)
      let reports = FirstReport()
      // One batch now, and the next one in a week.
      let slow = MigrationRunner.Options(documentsPerSecond: 1, report: { reports.tell($0) })
      let migration = Self.migration(batchSize: 10)
      let work = Task { try await MigrationRunner(database, [migration], options: slow).up() }
      await reports.wait()
      work.cancel()
      await #expect(throws: (any Error).self) { try await work.value }
      #expect(try await Self.changes(database)[1] == 10)
      let rest = FirstReport()
      let runner = MigrationRunner(database, [migration], options: .init(report: { rest.tell($0) }))
      #expect(try await runner.status().map(\.state) == [.unfinished])
      #expect(try await runner.up() == ["001"])
      #expect(try await Self.changes(database) == [1: 50])
      #expect(rest.all.withLock { $0.first?.done } == 20)
    }
  }

  @Test("whose runner lost its lease write nothing more, and the successor finishes them")
  func fenced() async throws {
    try await TestMongo.withDatabase("fenced") { database async throws in
      try await Self.fill(database, count: 50)
      let reports = FirstReport()
      let slow = MigrationRunner.Options(documentsPerSecond: 10, report: { reports.tell($0) })
      let migration = Self.migration(batchSize: 10)
      let runner = MigrationRunner(database, [migration], options: slow)
      let work = Task { try await runner.up() }
      await reports.wait()
      // The database's clock moves past the lease, and another runner takes the lock.
      try await database.run { connection in
        _ = try connection.updateOne(
          "schema_migrations", ["_id": "lock"],
          pipeline: [["$set": ["expiresAt": ["$add": ["$$NOW", -1]]]]])
      }
      let successor = MigrationRunner(database, [migration], options: .init(patience: .zero))
      #expect(try await successor.up() == ["001"])
      let failure = await #expect(throws: MigrationFailure.self) { try await work.value }
      guard case .leaseLost = failure else {
        Issue.record("another failure: \(String(describing: failure))")
        return
      }
      #expect(try await Self.changes(database) == [1: 50])
      #expect(try await runner.status().first?.state != .unfinished, "the loser did not touch the record")
    }
  }

  @Test("come back for documents that were written in the old form behind them")
  func behind() async throws {
    try await TestMongo.withDatabase("behind") { database async throws in
      try await Self.fill(database, count: 30)
      let reports = FirstReport()
      let slow = MigrationRunner.Options(documentsPerSecond: 40, report: { reports.tell($0) })
      let work = Task {
        try await MigrationRunner(database, [Self.migration(batchSize: 10)], options: slow).up()
      }
      await reports.wait()
      try await database.run { try $0.insertOne("items", ["_id": -1]) }
      #expect(try await work.value == ["001"])
      #expect(try await Self.changes(database) == [1: 31])
    }
  }

  @Test("are undone where there is a way back, and leave the documents where there is none")
  func undone() async throws {
    try await TestMongo.withDatabase("undone") { database async throws in
      try await Self.fill(database, count: 20)
      let undo: [BSONDocument] = [["$unset": ["form", "changes"]]]
      let runner = MigrationRunner(database, [Self.migration(undo: undo)])
      try await runner.up()
      #expect(try await runner.down(to: "") == ["001"])
      #expect(try await database.run { try $0.count("items", ["form": ["$exists": true]]) } == 0)
      #expect(try await runner.up() == ["001"])
      #expect(try await Self.changes(database) == [1: 20])
      let oneWay = MigrationRunner(database, [Self.migration()])
      try await oneWay.down(to: "")
      #expect(try await database.run { try $0.count("items", ["form": 2]) } == 20)
      #expect(try await oneWay.up() == ["001"])
      #expect(try await Self.changes(database) == [1: 20], "there was nothing left to change")
    }
  }

  @Test("mend what a validator or a unique index after them needs")
  func mending() async throws {
    try await TestMongo.withDatabase("mending") { database async throws in
      try await database.run { try $0.insertMany("items", [["_id": 1], ["_id": 2]]) }
      let numbering = Migration(
        id: "001", description: "numbers",
        up: [
          .backfill(
            Backfill("items", where: ["number": ["$exists": false]], change: [["$set": ["number": "$_id"]]])),
          .createIndexes([IndexSpec("items", ["number": 1], unique: true)]),
          .setValidator(collection: "items", .schema(required: ["number": .integer]), previous: nil),
        ])
      let runner = MigrationRunner(database, [numbering])
      #expect(try await runner.plan()[0].steps.allSatisfy { !$0.isRefused })
      #expect(try await runner.up() == ["001"])
      #expect(try await runner.verify() == [])
      await #expect(throws: MongoFailure.validation(collection: "items")) {
        try await database.run { try $0.insertOne("items", ["number": "three"]) }
      }
    }
  }
}
