import Kernel
import Mongo
import TestKit
import Testing

@Suite("Commands on MongoDB", .enabled(if: TestMongo.isAvailable, "needs MONGODB_URI"))
struct CommandTests {
  @Test("documents are inserted, found, changed and deleted")
  func lifeOfADocument() async throws {
    try await TestMongo.withDatabase("crud") { database async throws in
      try await database.run { connection in
        let id = BSONValue.objectID(ObjectID("000000000000000000000001")!)
        try connection.insertOne("things", ["_id": id, "n": 1, "tag": "a"])
        try connection.insertMany("things", [["n": 2, "tag": "b"], ["n": 3, "tag": "b"]])
        #expect(try connection.findOne("things", ["n": 2])?.string("tag") == "b")
        #expect(try connection.findOne("things", ["n": 9]) == nil)
        #expect(try connection.find("things", sort: ["n": -1]).map { try $0.int64("n") } == [3, 2, 1])
        #expect(try connection.find("things", ["tag": "b"], sort: ["n": 1], limit: 1).count == 1)
        #expect(try connection.findOne("things", ["n": 1], projection: ["tag": 1])?.has("n") == false)
        #expect(try connection.count("things") == 3)
        #expect(try connection.count("things", limit: 2) == 2)
        #expect(try connection.count("nothing") == 0)

        let updated = try connection.updateOne("things", ["n": 1], ["$set": ["tag": "c"]])
        #expect(updated == UpdateResult(matched: 1, modified: 1, upsertedID: nil))
        #expect(try connection.updateOne("things", ["n": 9], ["$set": ["tag": "c"]]).matched == 0)
        #expect(try connection.updateMany("things", [:], ["$set": ["all": true]]).modified == 3)
        let upserted = try connection.updateOne("things", ["_id": "new"], ["$set": ["n": 4]], upsert: true)
        #expect(upserted == UpdateResult(matched: 0, modified: 0, upsertedID: "new"))
        let after = try connection.findOneAndUpdate("things", ["n": 4], ["$inc": ["n": 1]])
        #expect(try after?.int64("n") == 5)
        let before = try connection.findOneAndUpdate("things", ["n": 5], ["$inc": ["n": 1]], returnNew: false)
        #expect(try before?.int64("n") == 5)
        #expect(try connection.findOneAndUpdate("things", ["n": 99], ["$inc": ["n": 1]]) == nil)

        #expect(try connection.deleteOne("things", ["n": 6]) == 1)
        #expect(try connection.deleteMany("things", ["tag": "b"]) == 2)
        let total = try connection.aggregate("things", [["$group": ["_id": nil, "sum": ["$sum": "$n"]]]])
        #expect(try total.first?.int64("sum") == 1)
      }
    }
  }

  @Test("many statements travel in one update, and only their sum comes back")
  func bulkUpdate() async throws {
    try await TestMongo.withDatabase("bulk") { database async throws in
      let result = try await database.run { connection in
        try connection.insertMany("things", (0..<10).map { ["_id": .int64($0), "version": 0] })
        return try connection.update(
          "things",
          (5..<15).map { UpdateStatement(["_id": .int64($0), "version": 0], ["$inc": ["version": 1]]) })
      }
      #expect(result.matched == 5)
    }
  }

  // Goal: cursors are read to their end. Method: more rows than one batch.
  @Test("results larger than a batch are complete")
  func largeResult() async throws {
    try await TestMongo.withDatabase("cursor") { database async throws in
      try await database.run { connection in
        try connection.insertMany("things", (0..<2_500).map { ["_id": .int64($0)] })
        #expect(try connection.find("things").count == 2_500)
        #expect(try connection.find("things", limit: 2_100).count == 2_100)
        #expect(try connection.aggregate("things", [["$match": [:]]]).count == 2_500)
      }
    }
  }

  @Test("what the server would not store is not sent")
  func limits() async throws {
    try await TestMongo.withDatabase("limits") { database async throws in
      var deep: BSONDocument = [:]
      for _ in 0..<101 { deep = ["d": .document(deep)] }
      let large = [UInt8](repeating: 7, count: 16 << 20)
      let refused: [BSONDocument] = [
        deep, ["x": .binary(large)], ["$set": 1], ["x": ["y": ["$gt": 1]]], ["a\u{0}": 1],
      ]
      for document in refused {
        await #expect(throws: MongoFailure.self) { try await database.run { try $0.insertOne("things", document) } }
        await #expect(throws: MongoFailure.self) {
          try await database.run { try $0.replaceOne("things", ["_id": 1], document, upsert: true) }
        }
      }
      let stored = try await database.run { try $0.count("things") }
      #expect(stored == 0)
    }
  }

  @Test("a duplicate key names its index")
  func duplicateKey() async throws {
    try await TestMongo.withDatabase("duplicate", migrations: [.unique]) { database async throws in
      await #expect(throws: MongoFailure.duplicateKey(index: "mobile_1", collection: "users")) {
        try await database.run { connection in
          try connection.insertMany("users", [["mobile": "1"], ["mobile": "1"]])
        }
      }
      let failure = await #expect(throws: MongoFailure.self) {
        try await database.run { try $0.findOneAndUpdate("users", ["x": 1], ["$set": ["mobile": "1"]], upsert: true) }
      }
      #expect(failure == .duplicateKey(index: "mobile_1", collection: "users"))
      #expect(failure?.failure.code == .duplicateEntry)
    }
  }

  @Test("inserting what is missing leaves the rest alone and says which was new")
  func insertMissing() async throws {
    try await TestMongo.withDatabase("missing", migrations: [.unique]) { database async throws in
      let inserted = try await database.run { connection in
        try connection.insertOne("users", ["mobile": "2"])
        return try connection.insertMissing("users", [["mobile": "1"], ["mobile": "2"], ["mobile": "3"]])
      }
      #expect(inserted == [true, false, true])
    }
  }

  @Test("a document that the validator refuses is told apart")
  func validator() async throws {
    let migration = Migration(
      id: "001", description: "validated",
      up: [
        .createCollection("things"),
        .setValidator(collection: "things", ["n": ["$type": "long"]], previous: nil),
      ])
    try await TestMongo.withDatabase("validator", migrations: [migration]) { database async throws in
      await #expect(throws: MongoFailure.validation(collection: "things")) {
        try await database.run { try $0.insertOne("things", ["n": "text"]) }
      }
    }
  }

  @Test("operators in stored documents are refused before they reach the server")
  func storedOperators() async throws {
    try await TestMongo.withDatabase("operators") { database async throws in
      for document: BSONDocument in [["$a": 1], ["meta": ["$where": 1]], ["list": [["$gt": 1]]]] {
        await #expect(throws: MongoFailure.self) { try await database.run { try $0.insertOne("things", document) } }
        await #expect(throws: MongoFailure.self) {
          try await database.run { try $0.updateOne("things", [:], ["$set": ["x": .document(document)]]) }
        }
      }
      try await database.run { connection in
        _ = try connection.updateOne(
          "things", [:], ["$push": ["list": ["$each": [1, 2], "$slice": -1]]], upsert: true)
        #expect(try connection.findOne("things", [:])?.array("list") == [2])
        #expect(throws: MongoFailure.self) { try connection.insertOne("things", ["a\u{0}": 1]) }
      }
    }
  }

  // Goal: right after an election a primary's majority reads are older than what its predecessor has acknowledged.
  // Method: the server's profiler tells what each read asked to see at least.
  @Test("a read asks to see at least the last write that was acknowledged, in a transaction or not")
  func readsFollowWrites() async throws {
    try await TestMongo.withDatabase("follow") { database async throws in
      _ = try await database.run { try $0.command(["profile": 2]) }
      try await database.run { connection in
        try connection.insertOne("things", ["_id": 1])
        _ = try connection.findOne("things", ["_id": 1])
      }
      try await database.transaction { try $0.insertOne("things", ["_id": 2]) }
      _ = try await database.run { try $0.findOne("things", ["_id": 2]) }
      let finds = try await database.run { connection in
        try connection.command(["profile": 0])
        return try connection.find("system.profile", ["command.find": "things"], sort: ["ts": 1])
      }
      let times = try finds.map { find -> UInt64 in
        let concern = try find.document("command").document("readConcern")
        #expect(try concern.string("level") == "majority")
        guard case .timestamp(let time) = try concern.value("afterClusterTime") else { return 0 }
        return time
      }
      #expect(times.count == 2)
      #expect(times[0] > 0 && times[1] > times[0])
    }
  }

  @Test("text from users is a value in a filter, never an operator")
  func textIsNoOperator() async throws {
    try await TestMongo.withDatabase("injection") { database async throws in
      try await database.run { connection in
        try connection.insertOne("users", ["name": "x"])
        #expect(try connection.findOne("users", ["name": .string("{\"$ne\": null}")]) == nil)
      }
    }
  }

  @Test("a document close to the server's limit is stored, a larger one is refused")
  func largeDocuments() async throws {
    try await TestMongo.withDatabase("large") { database async throws in
      try await database.run { connection in
        let fits = [UInt8](repeating: 7, count: 16 * 1_024 * 1_024 - 64)
        try connection.insertOne("things", ["_id": 1, "data": .binary(fits)])
        #expect(try connection.findOne("things", ["_id": 1])?.binary("data") == fits)
        #expect(throws: MongoFailure.self) {
          try connection.insertOne("things", ["_id": 2, "data": .binary(fits + [UInt8](repeating: 7, count: 64))])
        }
      }
    }
  }
}

extension Migration {
  static let unique = Migration(
    id: "001_users", description: "unique mobile",
    up: [.createCollection("users"), .createIndexes([IndexSpec("users", ["mobile": 1], unique: true)])])
}
