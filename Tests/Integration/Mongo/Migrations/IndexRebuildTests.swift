import Synchronization
import TestKit
import Testing

@testable import Mongo

@Suite("Rebuilding an index", .enabled(if: TestMongo.isAvailable, "needs MONGODB_URI"))
struct IndexRebuildTests {
  /// What is replaced by what.
  enum Case: String, CaseIterable, CustomTestStringConvertible {
    case otherName, sameName, otherLifetime, otherFilter

    var testDescription: String { rawValue }

    var old: IndexSpec {
      switch self {
      case .otherName, .sameName, .otherFilter: IndexSpec("items", ["state": 1, "at": -1])
      case .otherLifetime: IndexSpec("items", ["at": 1], expireAfter: .seconds(86_400_000))
      }
    }

    var new: IndexSpec {
      switch self {
      case .otherName: IndexSpec("items", ["state": 1, "at": -1, "_id": -1])
      case .sameName: IndexSpec("items", ["state": 1, "at": -1, "n": 1], name: "state_1_at_-1")
      case .otherLifetime: IndexSpec("items", ["at": 1], expireAfter: .seconds(96_400_000))
      case .otherFilter:
        IndexSpec("items", ["state": 1, "at": -1], name: "open", partialFilter: ["open": true])
      }
    }

    /// Served by the old index, by the new one, and all the time in between.
    var query: IndexQuery {
      switch self {
      case .otherName, .sameName: IndexQuery(["state": "s1"], sort: ["at": -1])
      case .otherFilter: IndexQuery(["state": "s1", "open": true], sort: ["at": -1])
      case .otherLifetime: IndexQuery(["at": ["$gt": .datetime(.init(milliseconds: 5))]])
      }
    }

    var first: Migration {
      Migration(id: "001", description: "the index", up: [.createCollection("items"), .createIndexes([old])])
    }

    var second: Migration {
      Migration(id: "002", description: "another one", up: [.rebuildIndex(old: old, new: new, serves: [query])])
    }
  }

  private final class Flag: Sendable {
    let isSet = Atomic(false)
  }

  private static func fill(_ database: MongoDatabase, count: Int) async throws {
    try await database.run { connection in
      // Far in the future, so that no time to live is over.
      try connection.insertMany(
        "items",
        (0..<count).map { number in
          [
            "state": .string("s\(number % 7)"), "at": .datetime(.init(milliseconds: 4_000_000_000_000 + Int64(number))),
            "n": .int64(Int64(number)), "open": .bool(number % 2 == 0),
          ]
        })
    }
  }

  private static func names(_ database: MongoDatabase) async throws -> Set<String> {
    try await database.run { Set(try $0.indexNames("items")) }
  }

  @Test("serves its queries at every moment, up and down", arguments: Case.allCases)
  func served(_ which: Case) async throws {
    try await TestMongo.withDatabase("served") { database async throws in
      let runner = MigrationRunner(database, [which.first, which.second])
      try await runner.up(to: "001")
      try await Self.fill(database, count: 5_000)
      let done = Flag()
      try await withThrowingTaskGroup(of: Int.self) { group in
        group.addTask {
          var looks = 0
          while !done.isSet.load(ordering: .relaxed) || looks == 0 {
            let stages = try await database.run { try $0.winningPlan("items", which.query).names(of: "stage") }
            #expect(stages.isDisjoint(with: ["COLLSCAN", "SORT"]), "no index serves the query")
            looks += 1
          }
          return looks
        }
        #expect(try await runner.up() == ["002"])
        #expect(try await Self.names(database) == ["_id_", which.new.name])
        #expect(try await runner.drift() == [])
        #expect(try await runner.down(to: "001") == ["002"])
        #expect(try await Self.names(database) == ["_id_", which.old.name])
        #expect(try await runner.drift() == [])
        done.isSet.store(true, ordering: .relaxed)
        let looks = try await group.next() ?? 0
        #expect(looks > 0)
      }
    }
  }

  @Test("that is stopped between any two commands is finished by the next run", arguments: Case.allCases)
  func stopped(_ which: Case) async throws {
    struct Stop: Error {}
    try await TestMongo.withDatabase("stopped") { database async throws in
      try await MigrationRunner(database, [which.first]).up()
      try await Self.fill(database, count: 200)
      var wasStopped = true
      var after = 0
      while wasStopped {
        try await Self.record(which.second, database)
        wasStopped = try await database.run { [after] connection in
          var left = after
          let scope = StepScope(
            connection: connection,
            check: {
              if left == 0 { throw Stop() }
              left -= 1
            }, before: [:])
          do {
            try IndexRebuild(from: which.old, to: which.new, queries: [which.query], scope).run()
            return false
          } catch is Stop {
            return true
          }
        }
        #expect(!wasStopped || after < 40, "it never ends")
        // From here a runner goes on, forward or back, in turns.
        let runner = MigrationRunner(database, [which.first, which.second])
        try await runner.up()
        #expect(try await Self.names(database) == ["_id_", which.new.name])
        #expect(try await runner.verify() == [])
        try await runner.down(to: "001")
        #expect(try await Self.names(database) == ["_id_", which.old.name])
        #expect(try await runner.verify().map(\.problem) == [.pending])
        after += 1
      }
      #expect(after > 3, "there is something to stop")
    }
  }

  /// What a runner writes before it begins.
  private static func record(_ migration: Migration, _ database: MongoDatabase) async throws {
    try await database.run { connection in
      let former = try connection.indexes("items").map { try IndexSpec(listed: $0, of: "items") }
      let record = MigrationRecord(
        id: migration.id, description: migration.description, checksum: migration.checksum,
        appliedAt: .init(milliseconds: 0), direction: .up, isFinished: false,
        before: Dictionary(former.map { ($0.qualifiedName, $0) }, uniquingKeysWith: { first, _ in first }),
        checkpoints: [:])
      try connection.replaceOne(
        "schema_migrations", ["_id": .string(migration.id)], record.document, upsert: true)
    }
  }

  @Test("keeps the old one when the new one is not used")
  func unused() async throws {
    try await TestMongo.withDatabase("unused") { database async throws in
      let (old, new) = (Case.otherName.old, Case.otherName.new)
      let second = Migration(
        id: "002", description: "of no use", up: [.rebuildIndex(old: old, new: new, serves: [IndexQuery(["n": 1])])])
      let runner = MigrationRunner(database, [Case.otherName.first, second])
      try await runner.up(to: "001")
      try await Self.fill(database, count: 200)
      let failure = await #expect(throws: MigrationFailure.self) { try await runner.up() }
      guard case .indexNotUsed("items.state_1_at_-1__id_-1", let query) = failure else {
        Issue.record("another failure: \(String(describing: failure))")
        return
      }
      #expect(query == #"find({"n": 1})"#)
      let used = try await database.run { try $0.indexesUsed("items", IndexQuery(["state": "s1"])) }
      #expect(!used.isEmpty)
      #expect(try await Self.names(database).isSuperset(of: ["_id_", old.name]))
      try await runner.down(to: "001")
      #expect(try await Self.names(database) == ["_id_", old.name])
      #expect(try await runner.drift() == [])
    }
  }

  @Test("to a unique one of the same name is refused by duplicates, and nothing is otherwise")
  func duplicates() async throws {
    try await TestMongo.withDatabase("unique") { database async throws in
      let old = IndexSpec("items", ["n": 1])
      let new = IndexSpec("items", ["n": 1], unique: true)
      let runner = MigrationRunner(
        database,
        [
          Migration(id: "001", description: "plain", up: [.createCollection("items"), .createIndexes([old])]),
          Migration(id: "002", description: "unique", up: [.rebuildIndex(old: old, new: new)]),
        ])
      try await runner.up(to: "001")
      try await database.run { try $0.insertMany("items", [["n": 1], ["n": 1], ["n": 2]]) }
      let before = try await database.run { try $0.indexes("items") }
      let failure = await #expect(throws: MigrationFailure.self) { try await runner.up() }
      guard case .duplicates(let reports) = failure else {
        Issue.record("another failure: \(String(describing: failure))")
        return
      }
      #expect(reports.map(\.index) == [new])
      #expect(try await database.run { try $0.indexes("items") } == before)
      // A duplicate that comes after the search is met by the build itself.
      try await database.run { connection in
        let scope = StepScope(connection: connection, check: {}, before: [:])
        #expect(throws: MongoFailure.self) { try IndexRebuild(from: old, to: new, queries: [], scope).run() }
      }
      #expect(try await Self.names(database) == ["_id_", "n_1"])
      #expect(try await runner.drift() == [])
    }
  }
}
