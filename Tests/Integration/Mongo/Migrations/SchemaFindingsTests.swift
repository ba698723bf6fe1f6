import Kernel
import TestKit
import Testing

@testable import Mongo

@Suite("Verifying a schema", .enabled(if: TestMongo.isAvailable, "needs MONGODB_URI"))
struct SchemaFindingsTests {
  private static let validator = BSONDocument.schema(
    required: ["mobile": .string, "status": .one(of: "active", "gone")], optional: ["age": .integer(from: 0).orNull])
  private static let users = Migration(
    id: "001_users", description: "users by mobile",
    up: [
      .createCollection("users"),
      .createIndexes([
        IndexSpec("users", ["mobile": 1], unique: true, partialFilter: ["status": "active"]),
        IndexSpec("users", ["expiresAt": 1], expireAfter: .seconds(60)),
      ]),
      .setValidator(collection: "users", validator, previous: nil),
    ])

  /// What somebody does to the database by hand, and what is found.
  struct Tampering: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let commands: [BSONDocument]
    let drift: [SchemaFinding.Problem]
    /// What `verify` finds: it does not mind what is there besides.
    let missing: [SchemaFinding.Problem]
  }

  static let tamperings: [Tampering] = [
    Tampering(testDescription: "nothing", commands: [], drift: [], missing: []),
    Tampering(
      testDescription: "an index dropped", commands: [["dropIndexes": "users", "index": "mobile_1"]],
      drift: [.missingIndex], missing: [.missingIndex]),
    Tampering(
      testDescription: "an index hidden",
      commands: [["collMod": "users", "index": ["name": "mobile_1", "hidden": true]]],
      drift: [.otherIndex], missing: [.otherIndex]),
    Tampering(
      testDescription: "a time to live changed",
      commands: [["collMod": "users", "index": ["name": "expiresAt_1", "expireAfterSeconds": 61]]],
      drift: [.otherIndex], missing: [.otherIndex]),
    Tampering(
      testDescription: "an index of the same name with another filter",
      commands: [
        ["dropIndexes": "users", "index": "mobile_1"],
        [
          "createIndexes": "users",
          "indexes": [["key": ["mobile": 1], "name": "mobile_1", "unique": true]],
        ],
      ],
      drift: [.otherIndex], missing: [.otherIndex]),
    Tampering(
      testDescription: "an index more",
      commands: [["createIndexes": "users", "indexes": [["key": ["age": 1], "name": "age_1"]]]],
      drift: [.undeclaredIndex], missing: []),
    Tampering(
      testDescription: "a collection more", commands: [["create": "leftover"]], drift: [.undeclaredCollection],
      missing: []),
    Tampering(
      testDescription: "the validator gone", commands: [["collMod": "users", "validator": [:]]],
      drift: [.missingValidator], missing: [.missingValidator]),
    Tampering(
      testDescription: "another validator",
      commands: [["collMod": "users", "validator": ["mobile": ["$exists": true]]]],
      drift: [.otherValidator], missing: [.otherValidator]),
    Tampering(
      testDescription: "the collection gone", commands: [["drop": "users"]],
      drift: [.missingCollection, .missingIndex, .missingIndex],
      missing: [.missingCollection, .missingIndex, .missingIndex]),
  ]

  @Test("finds what was done to it by hand, and says where", arguments: tamperings)
  func tampered(_ tampering: Tampering) async throws {
    try await TestMongo.withDatabase("drift", migrations: [Self.users]) { database async throws in
      try await database.run { connection in
        for command in tampering.commands { try connection.command(command) }
      }
      let runner = MigrationRunner(database, [Self.users])
      #expect(try await runner.drift().map(\.problem) == tampering.drift)
      #expect(try await runner.verify().map(\.problem) == tampering.missing)
    }
  }

  @Test("goes by what is applied, not by what is pending")
  func pending() async throws {
    try await TestMongo.withDatabase("pending", migrations: [Self.users]) { database async throws in
      let more = Migration(id: "002", description: "more", up: [.createIndexes([IndexSpec("users", ["age": 1])])])
      let runner = MigrationRunner(database, [Self.users, more])
      #expect(try await runner.drift() == [])
      #expect(try await runner.verify().map { "\($0)" } == ["pending 002 (more)"])
      try await runner.up()
      try await runner.down(to: "001_users")
      #expect(try await runner.drift() == [])
      try await runner.down(to: "")
      #expect(try await runner.drift().map(\.subject) == ["users"], "collections stay, and nobody declares them now")
    }
  }

  @Test("a validator is not set while documents do not match it")
  func invalid() async throws {
    try await TestMongo.withDatabase("invalid") { database async throws in
      try await database.run { connection in
        try connection.insertMany(
          "users", (0..<12).map { ["_id": .int64($0), "mobile": .int64($0), "status": "active"] })
      }
      let runner = MigrationRunner(database, [Self.users])
      let plan = try await runner.plan()
      #expect(plan[0].steps.map(\.isRefused) == [false, false, true])
      let failure = await #expect(throws: MigrationFailure.self) { try await runner.up() }
      guard case .invalidDocuments(let reports) = failure else {
        Issue.record("another failure: \(String(describing: failure))")
        return
      }
      #expect(reports.map(\.count) == [12])
      #expect(reports[0].samples == (0..<10).map { .int64($0) })
      #expect(try await database.run { try $0.indexNames("users") } == ["_id_"])
      #expect(try await runner.status().map(\.state) == [.pending])
    }
  }

  @Test("a validator refuses what does not match, allows fields it does not know, and goes when it is undone")
  func validating() async throws {
    try await TestMongo.withDatabase("validator", migrations: [Self.users]) { database async throws in
      func insert(_ document: BSONDocument) async throws {
        try await database.run { try $0.insertOne("users", document) }
      }
      try await insert(["mobile": "1", "status": "active", "ofTheNextBuild": [1, 2]])
      try await insert(["mobile": "2", "status": "gone", "age": .null])
      let refused: [BSONDocument] = [
        ["status": "active"], ["mobile": 3, "status": "active"], ["mobile": "3", "status": "away"],
        ["mobile": "3", "status": "active", "age": -1],
      ]
      for document in refused {
        await #expect(throws: MongoFailure.validation(collection: "users")) { try await insert(document) }
      }
      await #expect(throws: MongoFailure.validation(collection: "users")) {
        try await database.run { try $0.updateOne("users", ["mobile": "1"], ["$set": ["status": "away"]]) }
      }
      try await MigrationRunner(database, [Self.users]).down(to: "")
      try await insert(["anything": 1])
    }
  }

  @Test("knows the checksums of earlier builds, and the names that they recorded")
  func earlierRecords() async throws {
    try await TestMongo.withDatabase("earlier", migrations: [Self.users]) { database async throws in
      let runner = MigrationRunner(database, [Self.users])
      try await database.run { connection in
        let row = try connection.findOne("schema_migrations", ["id": "001_users"])
        #expect(try row?.string("checksum") == Self.users.checksum)
        _ = try connection.updateOne(
          "schema_migrations", ["id": "001_users"],
          [
            "$set": ["checksum": .string(Self.users.earlierChecksum), "existing": ["users.mobile_1"]],
            "$unset": ["before": "", "checkpoints": ""],
          ])
      }
      #expect(try await runner.isUpToDate())
      #expect(try await runner.verify() == [])
      try await runner.down(to: "")
      #expect(try await database.run { try $0.indexNames("users") } == ["_id_", "mobile_1"])
      #expect(Self.users.checksum.hasPrefix("sha256:") && Self.users.checksum.count == 71)
    }
  }
}
