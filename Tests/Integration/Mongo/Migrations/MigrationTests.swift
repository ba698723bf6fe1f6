import Kernel
import Mongo
import TestKit
import Testing

@Suite("Migrations", .enabled(if: TestMongo.isAvailable, "needs MONGODB_URI"))
struct MigrationTests {
  private static let users = Migration(
    id: "001_users", description: "users by mobile",
    up: [
      .createCollection("users"),
      .createIndexes([
        IndexSpec("users", ["mobile": 1], unique: true, partialFilter: ["deletedAt": .null]),
        IndexSpec("users", ["status": 1, "createdAt": -1]),
      ]),
    ])
  private static let sessions = Migration(
    id: "002_sessions", description: "sessions",
    up: [
      .createIndexes([IndexSpec("sessions", ["expiresAt": 1], expireAfter: .zero)]),
      .dropIndexes([IndexSpec("users", ["status": 1, "createdAt": -1])]),
    ])

  private static func indexes(_ database: MongoDatabase, _ collection: String) async throws -> Set<String> {
    try await database.run { Set(try $0.indexNames(collection)) }
  }

  @Test("go up in order, once, and say so")
  func up() async throws {
    try await TestMongo.withDatabase("up") { database async throws in
      let clock = ManualClock()
      let runner = MigrationRunner(database, [Self.users, Self.sessions], clock: clock)
      #expect(try await runner.status().map(\.state) == [.pending, .pending])
      #expect(try await !runner.isUpToDate())
      #expect(try await runner.up(to: "001_users") == ["001_users"])
      #expect(try await runner.status().map(\.state) == [.applied(at: clock.now()), .pending])
      #expect(try await runner.up() == ["002_sessions"])
      #expect(try await runner.up() == [])
      #expect(try await runner.isUpToDate())
      #expect(try await Self.indexes(database, "users") == ["_id_", "mobile_1"])
      #expect(try await Self.indexes(database, "sessions") == ["_id_", "expiresAt_1"])
    }
  }

  @Test("go down to exactly the indexes that were there before, and keep every document")
  func down() async throws {
    try await TestMongo.withDatabase("down") { database async throws in
      // Made by hand before any migration: not ours to drop.
      try await database.run { connection in
        try connection.insertOne("users", ["mobile": "1", "deletedAt": .null])
        try connection.command([
          "createIndexes": "users",
          "indexes": [["key": ["status": 1, "createdAt": -1], "name": "status_1_createdAt_-1"]],
        ])
      }
      let runner = MigrationRunner(database, [Self.users, Self.sessions])
      try await runner.up()
      #expect(try await runner.down(to: "001_users") == ["002_sessions"])
      #expect(try await Self.indexes(database, "users") == ["_id_", "mobile_1", "status_1_createdAt_-1"])
      #expect(try await Self.indexes(database, "sessions") == ["_id_"])
      #expect(try await runner.down(to: "") == ["001_users"])
      #expect(try await Self.indexes(database, "users") == ["_id_", "status_1_createdAt_-1"])
      #expect(try await database.run { try $0.count("users") } == 1)
      #expect(try await runner.status().map(\.state) == [.pending, .pending])
      #expect(try await runner.up() == ["001_users", "002_sessions"])
    }
  }

  @Test("plan what they would do without doing it")
  func plan() async throws {
    try await TestMongo.withDatabase("plan") { database async throws in
      let runner = MigrationRunner(database, [Self.users, Self.sessions])
      let plan = try await runner.plan()
      #expect(plan.map(\.id) == ["001_users", "002_sessions"])
      #expect(plan[0].commands.count == 3)
      #expect(
        plan[1].commands.last
          == #"db.runCommand({"dropIndexes": "users", "index": "status_1_createdAt_-1"})"#)
      #expect(try await Self.indexes(database, "users") == [])
      try await runner.up()
      #expect(try await runner.plan() == [])
      #expect(try await runner.plan(downTo: "").map(\.id) == ["002_sessions", "001_users"])
    }
  }

  @Test("stop when an applied one was edited")
  func checksum() async throws {
    try await TestMongo.withDatabase("checksum") { database async throws in
      try await MigrationRunner(database, [Self.users]).up()
      let edited = Migration(
        id: Self.users.id, description: "other words are fine",
        up: [.createCollection("users"), .createIndexes([IndexSpec("users", ["mobile": 1], unique: true)])])
      let runner = MigrationRunner(database, [edited, Self.sessions])
      let failure = await #expect(throws: MigrationFailure.self) { try await runner.up() }
      guard case .checksumChanged(["001_users"]) = failure else {
        Issue.record("another failure: \(String(describing: failure))")
        return
      }
      #expect(try await !runner.isUpToDate())
      #expect(try await Self.indexes(database, "sessions") == [])
      let reworded = Migration(id: Self.users.id, description: "reworded", up: Self.users.up)
      #expect(try await MigrationRunner(database, [reworded]).isUpToDate())
    }
  }

  @Test("report duplicates before they change anything")
  func duplicates() async throws {
    try await TestMongo.withDatabase("duplicates") { database async throws in
      try await database.run { connection in
        for number in 0..<12 {
          for _ in 0..<2 { try connection.insertOne("users", ["mobile": .int64(Int64(number)), "deletedAt": .null]) }
        }
        // Outside the partial filter.
        for _ in 0..<2 { try connection.insertOne("users", ["mobile": "gone", "deletedAt": 1]) }
      }
      let failure = await #expect(throws: MigrationFailure.self) {
        try await MigrationRunner(database, [Self.sessions, Self.users]).up()
      }
      guard case .duplicates(let reports) = failure else {
        Issue.record("another failure: \(String(describing: failure))")
        return
      }
      #expect(reports.map(\.index.name) == ["mobile_1"])
      #expect(reports[0].samples.count == 10)
      #expect(reports[0].samples.allSatisfy { $0.count == 2 })
      #expect(try await Self.indexes(database, "users") == ["_id_"])
      #expect(try await Self.indexes(database, "sessions") == [])
    }
  }

  @Test("find duplicates of array elements and of missing fields like the index does")
  func multikeyDuplicates() async throws {
    try await TestMongo.withDatabase("multikey") { database async throws in
      let unique = Migration(
        id: "001", description: "proofs", up: [.createIndexes([IndexSpec("orders", ["proofs.hash": 1], unique: true)])])
      try await database.run { connection in
        try connection.insertMany(
          "orders",
          [
            ["_id": 1, "proofs": [["hash": "a"], ["hash": "a"]]], ["_id": 2, "proofs": [["hash": "b"]]],
            ["_id": 3, "proofs": [["hash": "c"], ["hash": "b"]]], ["_id": 4], ["_id": 5],
          ])
      }
      let failure = await #expect(throws: MigrationFailure.self) { try await MigrationRunner(database, [unique]).up() }
      guard case .duplicates(let reports) = failure else {
        Issue.record("another failure: \(String(describing: failure))")
        return
      }
      let keys = Set(try reports[0].samples.map { try $0.key.optionalString("proofs.hash") })
      #expect(keys == ["b", nil])
    }
  }

  @Test("refuse an index of the same name in another form, unless told to rebuild it")
  func rebuild() async throws {
    try await TestMongo.withDatabase("rebuild") { database async throws in
      let old = IndexSpec("users", ["mobile": 1])
      let new = IndexSpec("users", ["mobile": 1], unique: true)
      let first = Migration(id: "001", description: "plain", up: [.createIndexes([old])])
      try await MigrationRunner(database, [first]).up()
      let silent = Migration(id: "002", description: "unique", up: [.createIndexes([new])])
      let failure = await #expect(throws: MigrationFailure.self) {
        try await MigrationRunner(database, [first, silent]).up()
      }
      guard case .indexConflict("users.mobile_1", _) = failure else {
        Issue.record("another failure: \(String(describing: failure))")
        return
      }
      let said = Migration(id: "003", description: "unique", up: [.rebuildIndex(old: old, new: new)])
      let runner = MigrationRunner(database, [first, said])
      #expect(try await runner.up() == ["003"])
      try await database.run { connection in
        try connection.insertOne("users", ["mobile": "1"])
        #expect(throws: MongoFailure.self) { try connection.insertOne("users", ["mobile": "1"]) }
      }
      #expect(try await runner.down(to: "001") == ["003"])
      try await database.run { try $0.insertOne("users", ["mobile": "1"]) }
    }
  }

  @Test("of several runners at once one works, and the others find it done")
  func severalRunners() async throws {
    try await TestMongo.withDatabase("runners") { database async throws in
      let applied = try await withThrowingTaskGroup(of: [String].self) { group in
        for _ in 0..<4 {
          group.addTask { try await MigrationRunner(database, [Self.users, Self.sessions]).up() }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(applied.filter { !$0.isEmpty } == [["001_users", "002_sessions"]])
    }
  }

  @Test("a runner that may not wait names who holds the lock; an expired lease is taken over")
  func lock() async throws {
    try await TestMongo.withDatabase("lock") { database async throws in
      let runner = MigrationRunner(database, [Self.users], options: .init(patience: .zero))
      try await MigrationRunner(database, []).up()
      try await database.run { connection in
        _ = try connection.updateOne(
          "schema_migrations", ["_id": "lock"],
          pipeline: [["$set": ["holder": "somebody", "expiresAt": ["$add": ["$$NOW", 30_000]]]]])
      }
      let failure = await #expect(throws: MigrationFailure.self) { try await runner.up() }
      guard case .locked("somebody") = failure else {
        Issue.record("another failure: \(String(describing: failure))")
        return
      }
      try await database.run { connection in
        _ = try connection.updateOne(
          "schema_migrations", ["_id": "lock"], pipeline: [["$set": ["expiresAt": ["$add": ["$$NOW", -1]]]]])
      }
      #expect(try await runner.up() == ["001_users"])
    }
  }

  @Test("what a newer build applied does not disturb this one, which cannot undo it")
  func foreign() async throws {
    try await TestMongo.withDatabase("foreign") { database async throws in
      try await MigrationRunner(database, [Self.users, Self.sessions]).up()
      let older = MigrationRunner(database, [Self.users])
      #expect(try await older.isUpToDate())
      #expect(try await older.status().map(\.id) == ["001_users", "002_sessions"])
      #expect(try await older.up() == [])
      await #expect(throws: MigrationFailure.self) { try await older.down(to: "") }
    }
  }
}
