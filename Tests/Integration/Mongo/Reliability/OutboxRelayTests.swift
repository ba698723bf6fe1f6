import Kernel
import Logging
import Mongo
import Synchronization
import TestKit
import Testing

@testable import Reliability

// Serialized: the server has one failpoint for commands, and tests of it take turns anyway.
@Suite("The outbox relay", .enabled(if: TestMongo.isAvailable, "needs MONGODB_URI"), .serialized)
struct OutboxRelayTests {
  private typealias Harness = OutboxHarness
  private typealias Receiver = OutboxHarness.Receiver

  private static let migration = Migration(
    id: "001", description: "outbox and leases", up: Outbox.migrationSteps + LeaderLease.migrationSteps)

  private static let no = Failure(.validationFailed, "no")

  /// Rounds until nothing is left, at most `limit`.
  private static func drain(_ relay: OutboxRelay, _ database: MongoDatabase, limit: Int = 60) async throws {
    for _ in 0..<limit where try await Harness.waiting(database) > 0 { _ = try? await relay.round() }
    #expect(try await Harness.waiting(database) == 0)
  }

  // MARK: - Refusals

  @Test("a message that is refused for good is parked, and only its own aggregate waits for that")
  func poison() async throws {
    try await TestMongo.withDatabase("poison", migrations: [Self.migration]) { database async throws in
      try await Harness.append(database, "bad", 1)
      try await Harness.append(database, "bad", 2)
      try await Harness.append(database, "good", 1)
      let receiver = Receiver()
      receiver.fail { $0.eventID == "test/bad:1#0" ? Self.no : nil }
      var settings = Harness.impatient
      settings.refusalsMax = 5
      let relay = Harness.relay(database, receiver, settings: settings)
      for _ in 0..<4 {
        #expect(try await relay.round() == .more)
        #expect(receiver.received == ["test/good:1#0"])
      }
      #expect(try await relay.round() == .more)
      #expect(receiver.received == ["test/good:1#0", "test/bad:2#0"])
      #expect(try await relay.round() == .idle(nextDue: nil))
      let parked = try await database.run { try $0.find(Outbox.collection, ["parkedReason": "VALIDATION_FAILED"]) }
      #expect(try parked.map { try $0.int64("seq") } == [1])
      #expect(parked.first?.has("parkedAt") == true)
      let reading = relay.reading
      #expect(reading.parked == 1 && reading.postponed == 4 && reading.dispatched == 2)
    }
  }

  @Test("what was refused is not tried in its pause, and holds back its aggregate and nobody else")
  func pauses() async throws {
    try await TestMongo.withDatabase("pauses", migrations: [Self.migration]) { database async throws in
      try await Harness.append(database, "bad", 1)
      let receiver = Receiver()
      receiver.fail { $0.eventID == "test/bad:1#0" ? Self.no : nil }
      var settings = Harness.impatient
      settings.delayMin = .seconds(3_600)
      settings.delayMax = .seconds(36_000)
      let relay = Harness.relay(database, receiver, settings: settings)
      #expect(try await relay.round() == .more)
      receiver.fail(nil)
      try await Harness.append(database, "bad", 2)
      try await Harness.append(database, "good", 1)
      guard case .idle(let nextDue?) = try await relay.round() else { throw Self.no }
      // An hour ± 20 %, by the database's clock, with some time gone by.
      #expect(nextDue > .seconds(2_000) && nextDue < .seconds(4_400))
      #expect(receiver.received == ["test/good:1#0"])
      // Another replica finds the same.
      guard case .idle(.some) = try await Harness.relay(database, receiver).round() else { throw Self.no }
      #expect(receiver.received == ["test/good:1#0"])

      // The pause is over: in order again.
      _ = try await database.run { connection in
        try connection.updateOne(
          Outbox.collection, ["attempts": 1], pipeline: [["$set": ["nextAttemptAt": "$$NOW"]]])
      }
      #expect(try await relay.round() == .idle(nextDue: nil))
      #expect(receiver.received == ["test/good:1#0", "test/bad:1#0", "test/bad:2#0"])
    }
  }

  @Test("pauses grow with each attempt")
  func backoff() async throws {
    try await TestMongo.withDatabase("backoff", migrations: [Self.migration]) { database async throws in
      try await Harness.append(database, "bad", 1)
      let receiver = Receiver()
      receiver.fail { _ in Self.no }
      var settings = Harness.impatient
      settings.delayMin = .seconds(1_000)
      settings.delayMax = .seconds(5_000)
      let relay = Harness.relay(database, receiver, settings: settings)
      for bounds in [800..<1_200, 1_600..<2_400, 3_200..<4_800, 4_000..<6_000] as [Range<Int64>] {
        _ = try await relay.round()
        guard case .idle(let nextDue?) = try await relay.round() else { throw Self.no }
        // A minute for what the test itself takes.
        #expect(nextDue >= .seconds(bounds.lowerBound - 60) && nextDue <= .seconds(bounds.upperBound))
        _ = try await database.run { connection in
          try connection.updateOne(Outbox.collection, [:], pipeline: [["$set": ["nextAttemptAt": "$$NOW"]]])
        }
      }
    }
  }

  @Test(
    "a message over which the receiver fails holds nobody back, however it fails",
    arguments: [
      ErrorCode.internalError, .rateLimited, .serviceUnavailable, .deadlineExceeded,
    ])
  func failingMessage(code: ErrorCode) async throws {
    try await TestMongo.withDatabase("failing", migrations: [Self.migration]) { database async throws in
      for number in 1...20 as ClosedRange<Int64> { try await Harness.append(database, "a\(number)", 1) }
      let receiver = Receiver()
      receiver.fail { $0.eventID == "test/a7:1#0" ? Failure(code, "failed") : nil }
      var settings = Harness.impatient
      // Once it is found out, it does not come back in this test.
      settings.delayMin = .seconds(3_600)
      settings.delayMax = .seconds(3_600)
      settings.backoffMax = .seconds(3_600)
      let relay = Harness.relay(database, receiver, settings: settings)
      for _ in 0..<60 where receiver.received.count < 19 { _ = try await relay.round() }
      #expect(receiver.received == (1...20).filter { $0 != 7 }.map { "test/a\($0):1#0" })
      #expect(try await Harness.waiting(database) == 1)
      #expect(relay.reading.parked == 0)
    }
  }

  @Test("a receiver that is away loses nothing, and nothing is given up")
  func receiverAway() async throws {
    try await TestMongo.withDatabase("away", migrations: [Self.migration]) { database async throws in
      for seq in 1...3 as ClosedRange<Int64> { try await Harness.append(database, "a", seq) }
      let receiver = Receiver()
      let relay = Harness.relay(database, receiver)
      for code in [ErrorCode.serviceUnavailable, .deadlineExceeded, .internalError, .forbidden, .unimplemented] {
        receiver.fail { _ in Failure(code, "away") }
        for _ in 0..<12 { _ = try await relay.round() }
      }
      #expect(receiver.received.isEmpty && relay.reading.parked == 0)
      receiver.fail(nil)
      try await Self.drain(relay, database)
      #expect(receiver.received == (1...3).map { "test/a:\($0)#0" })
    }
  }

  // MARK: - Running

  @Test("a running relay hears of what any replica commits, by the change stream alone")
  func stream() async throws {
    try await TestMongo.withDatabase("running", migrations: [Self.migration]) { database async throws in
      let receiver = Receiver()
      let relay = Harness.relay(database, receiver)
      try await Harness.running(relay) {
        for seq in 1...3 as ClosedRange<Int64> {
          try await Harness.append(database, "a", seq)
          await receiver.arrivals(Int(seq))
        }
      }
      #expect(receiver.received == ["test/a:1#0", "test/a:2#0", "test/a:3#0"])
    }
  }

  @Test("a stream whose position is lost begins anew, and what was missed is found")
  func positionLost() async throws {
    try await TestMongo.withMongo("lost", migrations: [Self.migration]) { mongo async throws in
      let receiver = Receiver()
      let relay = Harness.relay(mongo.database, receiver)
      try await Harness.running(relay) {
        // 286: the oplog does not reach back to the position.
        try await FailPoint(["getMore"], .error(code: 286), times: 2).active(for: mongo) {
          for seq in 1...4 as ClosedRange<Int64> {
            try await Harness.append(mongo.database, "a", seq)
            await receiver.arrivals(Int(seq))
          }
        }
      }
    }
  }

  @Test("without a change stream being woken is enough, and without both the poll is")
  func withoutStream() async throws {
    try await TestMongo.withMongo("polling", migrations: [Self.migration]) { mongo async throws in
      let receiver = Receiver()
      // 13: not allowed to watch.
      try await FailPoint(["getMore"], .error(code: 13), times: nil).active(for: mongo) {
        var settings = Harness.impatient
        settings.streamPause = .seconds(3_600)
        let relay = Harness.relay(mongo.database, receiver, settings: settings)
        try await Harness.running(relay) {
          try await Harness.append(mongo.database, "a", 1)
          relay.wake()
          await receiver.arrivals(1)
        }

        settings.pollEvery = .milliseconds(10)
        try await Harness.running(Harness.relay(mongo.database, receiver, settings: settings)) {
          try await Harness.append(mongo.database, "a", 2)
          await receiver.arrivals(2)
        }
      }
    }
  }

  /// Counts what a change stream asks for.
  private final class StreamReads: MongoListener {
    private let reads = Atomic(0)
    var count: Int { reads.load(ordering: .relaxed) }

    func heard(_ event: MongoEvent) {
      if case .command(let command) = event, command.name == "getMore" { reads.add(1, ordering: .relaxed) }
    }
  }

  // Goal: whoever appends everything himself does not pay for a change stream. Method: first only a wake tells of a
  // message, then only the poll finds one.
  @Test("the change stream stands once the poll has found a stranger's message, and not before")
  func strangers() async throws {
    let reads = StreamReads()
    try await TestMongo.withMongo("strangers", migrations: [Self.migration], listener: reads) { mongo async throws in
      let receiver = Receiver()
      var settings = Harness.impatient
      settings.streamSpan = .seconds(3_600)
      let alone = Harness.relay(mongo.database, receiver, settings: settings)
      try await Harness.running(alone) {
        try await Harness.append(mongo.database, "a", 1)
        alone.wake()
        await receiver.arrivals(1)
      }
      #expect(reads.count == 0)

      settings.pollEvery = .milliseconds(10)
      let relay = Harness.relay(mongo.database, receiver, settings: settings)
      try await Harness.running(relay) {
        // The first round may still find this one by itself; the next is left to the poll.
        for seq in 2...3 as ClosedRange<Int64> {
          try await Harness.append(mongo.database, "a", seq)
          await receiver.arrivals(Int(seq))
        }
        try await TestMongo.await("the change stream") { reads.count > 0 }
      }
    }
  }

  @Test("a relay survives a database that goes away and comes back")
  func databaseAway() async throws {
    try await TestMongo.withMongo("away", migrations: [Self.migration]) { mongo async throws in
      let receiver = Receiver()
      let relay = Harness.relay(mongo.database, receiver)
      try await Harness.running(relay) {
        try await Harness.append(mongo.database, "a", 1)
        await receiver.arrivals(1)
        try await FailPoint(["find", "aggregate", "getMore", "update"], .closeConnection, times: 4).active(for: mongo) {
          try await Harness.append(mongo.database, "a", 2)
          await receiver.arrivals(2)
        }
        try await Harness.append(mongo.database, "a", 3)
        await receiver.arrivals(3)
      }
    }
  }

  @Test("a relay that is ended in mid-batch keeps what was confirmed, and its successor sends the rest")
  func endedInMidBatch() async throws {
    try await TestMongo.withDatabase("ended", migrations: [Self.migration]) { database async throws in
      for seq in 1...6 as ClosedRange<Int64> { try await Harness.append(database, "a", seq) }
      let receiver = Receiver()
      let reached = AsyncStream.makeStream(of: Void.self)
      var settings = Harness.impatient
      settings.portionMax = 2
      let relay = OutboxRelay(database, service: "test", logger: Logger(label: "test"), settings: settings) {
        // The second portion arrives, and its confirmation never does.
        try receiver.deliver($0)
        guard receiver.calls == 2 else { return }
        reached.continuation.yield()
        try await Task.sleep(for: .seconds(3_600))
      }
      try await Harness.running(relay) {
        for await _ in reached.stream { break }
      }
      #expect(try await Harness.waiting(database) == 4)
      try await Self.drain(Harness.relay(database, receiver), database)
      let ids = (1...6).map { "test/a:\($0)#0" }
      #expect(receiver.received == Array(ids[0..<4]) + Array(ids[2...]))
    }
  }

  @Test("of two replicas one relays, and the other goes on where that one has stopped")
  func replicas() async throws {
    try await TestMongo.withDatabase("replicas", migrations: [Self.migration]) { database async throws in
      let receiver = Receiver()
      var times = LeaderLease.Times()
      times.lookEvery = .milliseconds(20)
      let replicas = (1...2).map { number in
        (
          LeaderLease(
            database, name: "work", holder: "replica \(number)", times: times, logger: Logger(label: "test")),
          Harness.relay(database, receiver)
        )
      }
      let tasks = replicas.map { lease, relay in Task { await lease.lead { _ in await relay.run() } } }
      for seq in 1...5 as ClosedRange<Int64> {
        try await Harness.append(database, "a", seq)
        await receiver.arrivals(Int(seq))
      }
      let leading = try #require(replicas.firstIndex { $0.0.reading.isHeld })
      #expect(replicas[1 - leading].1.reading.attempts == 0)
      tasks[leading].cancel()
      await tasks[leading].value
      for seq in 6...8 as ClosedRange<Int64> {
        try await Harness.append(database, "a", seq)
        await receiver.arrivals(Int(seq))
      }
      // What was sent and not marked when the first one ended is sent again, and is nothing new.
      #expect(receiver.order == (1...8).map { "test/a:\($0)#0" })
      #expect(replicas[1 - leading].0.reading.token == 2)
      tasks[1 - leading].cancel()
      await tasks[1 - leading].value
    }
  }

  @Test("the backlog is counted where the relay runs, with the age of the oldest")
  func backlog() async throws {
    try await TestMongo.withDatabase("backlog", migrations: [Self.migration]) { database async throws in
      let store = OutboxStore(database: database)
      let none = try await store.backlog()
      #expect(none == (0, .zero))
      for seq in 1...3 as ClosedRange<Int64> { try await Harness.append(database, "a", seq) }
      // As if it had been written an hour ago by the server's clock.
      let now = try await database.run { try $0.command(["hello": 1]).datetime("localTime") }
      let old = try #require(Self.firstID(of: now.advanced(by: .seconds(-3_600))))
      _ = try await database.run { connection in
        let document = try connection.findOne(Outbox.collection, ["seq": 2])
        try connection.deleteOne(Outbox.collection, ["seq": 2])
        let fields = try document?.fields().map { ($0.key, $0.key == "_id" ? .objectID(old) : $0.value) } ?? []
        try connection.insertOne(Outbox.collection, BSONDocument(fields))
      }
      let some = try await store.backlog()
      #expect(some.pending == 3)
      #expect(some.oldest >= .seconds(3_599) && some.oldest < .seconds(3_700))
    }
  }

  // Goal: delivered documents, which stay for days, cost nothing. Method: the server's profiler tells each plan.
  @Test("nothing that the relay does scans the collection")
  func plans() async throws {
    try await TestMongo.withDatabase("plans", migrations: [Self.migration]) { database async throws in
      try await database.transaction { connection in
        for seq in 1...Int64(OutboxStore.pageMax + 20) {
          try Outbox.append(
            [Harness.entry("A")], aggregate: "a\(seq % 30)", seq: seq, eventKey: "\(seq)", now: Harness.now,
            in: connection)
        }
      }
      let receiver = Receiver()
      receiver.fail { $0.eventID == "test/7#0" ? Self.no : nil }
      _ = try await database.run { try $0.command(["profile": 2]) }
      try await Self.drain(Harness.relay(database, receiver), database)
      _ = try await OutboxStore(database: database).backlog()
      _ = try await database.run { try $0.command(["profile": 0]) }
      let plans = try await database.run { connection in
        try connection.find(
          "system.profile", ["ns": .string("\(database.name).outbox"), "planSummary": ["$exists": true]]
        ).map { try $0.string("planSummary") }
      }
      #expect(plans.count > 10)
      let usual = ["IXSCAN", "IDHACK", "COUNT_SCAN"]
      #expect(plans.filter { plan in !usual.contains { plan.hasPrefix($0) } } == [])
    }
  }

  /// The first id of a second.
  private static func firstID(of time: Timestamp) -> ObjectID? {
    let seconds = String(time.milliseconds / 1_000, radix: 16)
    return ObjectID(String(repeating: "0", count: 8 - seconds.count) + seconds + String(repeating: "0", count: 16))
  }
}
