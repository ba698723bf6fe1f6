import Dispatch
import Kernel
import Mongo
import Synchronization
import TestKit
import Testing

// Through a proxy that loses what the server says. Serialized: each has threads and connections of its own.
@Suite("Connections that break", .enabled(if: TestMongo.port != nil && TestMongo.isAvailable), .serialized)
struct ConnectionTests {
  static let things = Migration(id: "001", description: "things", up: [.createCollection("things")])

  private static func withProxy(
    _ label: String, poolMax: Int = 1, socketTimeout: Duration = .seconds(45),
    _ body: (TestMongo, MongoProxy) async throws -> Void
  ) async throws {
    let proxy = try MongoProxy(to: try #require(TestMongo.port))
    defer { proxy.close() }
    try await TestMongo.withMongo(
      label, migrations: [things],
      configure: {
        $0.uri = proxy.uri
        $0.poolMax = poolMax
        $0.socketTimeout = socketTimeout
      }
    ) { try await body($0, proxy) }
  }

  // Goal: a connection whose peer has fallen silent holds up its caller to the deadline and its thread hardly longer,
  // whatever the socket timeout is. Method: the pool has one connection, so the second call needs the thread of the
  // first; it waits for it less than the socket timeout of 45 s.
  @Test("a silent connection is given up soon after its caller's deadline")
  func silence() async throws {
    try await Self.withProxy("silent") { mongo, proxy async throws in
      proxy.silence()
      await #expect(throws: MongoFailure.timeout) {
        try await Deadline.$current.withValue(.after(.milliseconds(100))) {
          _ = try await mongo.database.run { try $0.count("things") }
        }
      }
      let stored = try await mongo.database.run { try $0.count("things") }
      #expect(stored == 0)
    }
  }

  // Goal: the wallet's writer, which has one connection of its own, goes on. Method: as above, on a lane.
  @Test("a lane whose connection falls silent goes on with another one, in the same session")
  func silentLane() async throws {
    try await Self.withProxy("lane") { mongo, proxy async throws in
      let lane = try await mongo.database.lane()
      try await lane.transaction { try $0.insertOne("things", ["_id": 1]) }
      proxy.silence()
      await #expect(throws: MongoFailure.timeout) {
        try await Deadline.$current.withValue(.after(.milliseconds(100))) {
          try await lane.transaction { try $0.insertOne("things", ["_id": 2]) }
        }
      }
      let session = try await lane.transaction { connection in
        try connection.insertOne("things", ["_id": 3])
        return connection.sessionID
      }
      #expect(session == lane.sessionID)
      let stored = try await lane.run { try $0.find("things", sort: ["_id": 1]).map { try $0.int64("_id") } }
      #expect(stored == [1, 3])
      await lane.close()
    }
  }

  @Test("a silent connection costs a call without a deadline the socket timeout, and it is made again")
  func silenceWithoutDeadline() async throws {
    try await Self.withProxy("patient", socketTimeout: .milliseconds(200)) { mongo, proxy async throws in
      proxy.silence()
      let stored = try await mongo.database.run { try $0.count("things") }
      #expect(stored == 0)
    }
  }

  @Test("a transaction whose commit took effect unheard is committed once")
  func lostCommitAnswer() async throws {
    try await Self.withProxy("answer") { mongo, proxy async throws in
      let runs = Atomic(0)
      // libmongoc sends a commit a second time by itself; all of the first two of ours are lost.
      proxy.loseAnswers(to: "commitTransaction", times: 4)
      try await mongo.database.transaction { connection in
        runs.add(1, ordering: .relaxed)
        try connection.insertOne("things", ["_id": 1])
      }
      #expect(proxy.answersToLose < 4)
      #expect(runs.load(ordering: .relaxed) == 1)
      let stored = try await mongo.database.run { try $0.count("things") }
      #expect(stored == 1)
    }
  }

  @Test("a command of a transaction that took effect unheard happens once")
  func lostAnswerInTransaction() async throws {
    try await Self.withProxy("inside") { mongo, proxy async throws in
      let runs = Atomic(0)
      proxy.loseAnswers(to: "insert", times: 2)
      try await mongo.database.transaction { connection in
        runs.add(1, ordering: .relaxed)
        try connection.insertOne("things", ["n": 1])
      }
      #expect(runs.load(ordering: .relaxed) == 3)
      let stored = try await mongo.database.run { try $0.count("things") }
      #expect(stored == 1)
    }
  }

  // Goal: the rule of DOMAIN 0.4, that a duplicate is answered by looking it up. Method: the insert happens unheard,
  // so its repetition meets its own document.
  @Test("an insert that took effect unheard meets itself, and is looked up by its key")
  func lostInsertAnswer() async throws {
    try await Self.withProxy("insert") { mongo, proxy async throws in
      proxy.loseAnswers(to: "insert")
      let inserted = try await mongo.database.run { try $0.insertMissing("things", [["_id": 1, "by": "me"]]) }
      #expect(inserted == [false])
      let stored = try await mongo.database.run { try $0.find("things") }
      #expect(stored == [["_id": 1, "by": "me"]])
    }
  }

  @Test("what may take longer than the socket timeout says so")
  func patience() async throws {
    try await Self.withProxy("long", socketTimeout: .milliseconds(300)) { mongo, _ async throws in
      let sleep: BSONDocument = ["sleep": 1, "millis": 1_500, "lock": "none"]
      await #expect(throws: MongoFailure.self) {
        try await mongo.database.run { try $0.command(sleep, database: "admin") }
      }
      let reply = try await mongo.database.run { try $0.command(sleep, database: "admin", within: .seconds(60)) }
      #expect(try reply.double("ok") == 1)
    }
  }

  // Goal: nobody is left without an answer, and no thread stays behind. Method: more calls than connections, all of
  // which are silent.
  @Test("when every connection is silent, those who wait are told in time and the pool recovers")
  func exhaustion() async throws {
    let proxy = try MongoProxy(to: try #require(TestMongo.port))
    defer { proxy.close() }
    try await TestMongo.withMongo(
      "exhaustion", migrations: [Self.things],
      configure: {
        $0.uri = proxy.uri
        $0.poolMax = 3
        $0.waitQueueTimeout = .milliseconds(300)
      }
    ) { mongo in
      let database = mongo.database
      // All three are open and idle.
      try await TestMongo.await("three connections") {
        _ = try await database.run { try $0.count("things") }
        async let one = database.run { try $0.count("things") }
        async let two = database.run { try $0.count("things") }
        async let three = database.run { try $0.count("things") }
        _ = try await (one, two, three)
        return mongo.client.poolStatistics.size == 3
      }
      proxy.silence()
      let failures = await withTaskGroup(of: MongoFailure?.self) { group in
        for _ in 0..<12 {
          group.addTask {
            do {
              try await Deadline.$current.withValue(.after(.milliseconds(900))) {
                _ = try await database.run { try $0.count("things") }
              }
              return nil
            } catch {
              return error as? MongoFailure
            }
          }
        }
        return await group.reduce(into: [MongoFailure?]()) { $0.append($1) }
      }
      #expect(failures.count(where: { $0 == .poolExhausted }) >= 1)
      #expect(failures.allSatisfy { $0 == .poolExhausted || $0 == .timeout })
      try await TestMongo.await("the pool to recover") {
        (try? await database.run { try $0.count("things") }) == 0
      }
    }
  }
}

@Suite("Calls that are cancelled", .enabled(if: TestMongo.isAvailable, "needs MONGODB_URI"), .serialized)
struct CancellationTests {
  static let things = Migration(id: "001", description: "things", up: [.createCollection("things")])

  /// What the server keeps for the client, of one type: `op` for commands that run, `idleCursor`.
  private static func operations(_ appName: String, type: String = "op") async throws -> [BSONDocument] {
    let wanted: BSONDocument = [
      "type": .string(type),
      "$or": [["appName": .string(appName)], ["cursor.originatingCommand.comment": .string(appName)]],
    ]
    return try await TestMongo.asOperator { database in
      try await database.run { connection in
        let reply = try connection.command(
          [
            "aggregate": 1, "cursor": [:],
            "pipeline": [["$currentOp": ["idleCursors": true]], ["$match": .document(wanted)]],
          ], database: "admin")
        return try reply.document("cursor").documents("firstBatch")
      }
    }
  }

  // Goal: a cancelled call frees its thread. Method: the pool has one connection, whose call the server would block
  // for a minute; the next call waits five seconds at most for it.
  @Test("a cancelled command is ended at the server and its thread is free")
  func command() async throws {
    try await TestMongo.withMongo("command", migrations: [Self.things], configure: { $0.poolMax = 1 }) {
      mongo async throws in
      let database = mongo.database
      let sleep: BSONDocument = ["sleep": 1, "millis": 60_000, "lock": "none"]
      let task = Task { try await database.run { try $0.command(sleep, database: "admin", within: .seconds(100)) } }
      try await TestMongo.await("the command to reach the server") {
        try await Self.operations(mongo.appName).contains { try $0.document("command").has("sleep") }
      }
      task.cancel()
      await #expect(throws: CancellationError.self) { try await task.value }
      #expect(try await database.run { try $0.count("things") } == 0)
      try await TestMongo.await("the server to have ended it") {
        try await !Self.operations(mongo.appName).contains { try $0.document("command").has("sleep") }
      }
    }
  }

  @Test("the server knows how long the caller waits")
  func timeLimit() async throws {
    try await TestMongo.withMongo("limit", migrations: [Self.things]) { mongo async throws in
      let database = mongo.database
      let task = Task {
        try await Deadline.$current.withValue(.after(.seconds(30))) {
          try await database.run { try $0.command(["sleep": 1, "millis": 20_000, "lock": "none"], database: "admin") }
        }
      }
      try await TestMongo.await("the command to carry its limit") {
        try await Self.operations(mongo.appName).contains { operation in
          let command = try operation.document("command")
          return try command.has("sleep") && (1...30_000).contains(command.int64("maxTimeMS"))
        }
      }
      task.cancel()
      await #expect(throws: CancellationError.self) { try await task.value }
    }
  }

  @Test("a cancelled read closes its cursor")
  func cursor() async throws {
    try await TestMongo.withMongo("cursor", migrations: [Self.things]) { mongo async throws in
      let database = mongo.database
      try await database.run { try $0.insertMany("things", (0..<3_000).map { ["_id": .int64($0)] }) }
      let reading = AsyncStream.makeStream(of: Void.self)
      let mayGoOn = DispatchSemaphore(value: 0)
      let task = Task {
        try await database.run { connection in
          var count = 0
          try connection.each("things", options: ["comment": .string(mongo.appName)]) { _ in
            count += 1
            guard count == 1 else { return }
            reading.continuation.yield()
            mayGoOn.wait()
          }
        }
      }
      var iterator = reading.stream.makeAsyncIterator()
      await iterator.next()
      #expect(try await Self.operations(mongo.appName, type: "idleCursor").count == 1)
      task.cancel()
      await #expect(throws: CancellationError.self) { try await task.value }
      mayGoOn.signal()
      try await TestMongo.await("the cursor to be closed") {
        try await Self.operations(mongo.appName, type: "idleCursor").isEmpty
      }
    }
  }

  @Test("a cancelled transaction lets go of its documents at once")
  func transaction() async throws {
    try await TestMongo.withMongo("transaction", migrations: [Self.things], configure: { $0.poolMax = 2 }) {
      mongo async throws in
      let database = mongo.database
      let sleep: BSONDocument = ["find": "things", "filter": ["$where": "sleep(60000) || true"]]
      try await database.run { try $0.insertOne("things", ["_id": 1, "n": 0]) }
      let task = Task {
        try await database.transaction { connection in
          _ = try connection.updateOne("things", ["_id": 1], ["$inc": ["n": 1]])
          try connection.command(sleep, within: .seconds(100))
        }
      }
      try await TestMongo.await("the transaction to be in its last command") {
        try await Self.operations(mongo.appName).contains { try $0.document("command").has("find") }
      }
      task.cancel()
      await #expect(throws: CancellationError.self) { try await task.value }
      try await TestMongo.await("the document to be free") {
        do {
          let result = try await database.transaction { try $0.updateOne("things", ["_id": 1], ["$set": ["n": 5]]) }
          return result.matched == 1
        } catch MongoFailure.writeConflict {
          return false
        }
      }
      #expect(try await database.run { try $0.findOne("things", ["_id": 1])?.int64("n") } == 5)
    }
  }
}
