import Kernel
import Logging
import Mongo
import Synchronization
import TestKit
import Testing

@testable import Reliability

@Suite("The outbox", .enabled(if: TestMongo.isAvailable, "needs MONGODB_URI"))
struct OutboxTests {
  static let migration = Migration(id: "001_outbox", description: "outbox", up: Outbox.migrationSteps)

  private static let now = ManualClock().now()

  /// Takes messages, and refuses what a test tells it to.
  private final class Receiver: Sendable {
    private struct State {
      var received: [String] = []
      var failure: (@Sendable (OutboxMessage) -> Failure?)?
      var calls = 0
    }

    private let state = Mutex(State())
    private let arrivals = AsyncStream.makeStream(of: Void.self)

    /// Event ids in order of arrival, repetitions included.
    var received: [String] { state.withLock { $0.received } }
    var calls: Int { state.withLock { $0.calls } }

    func fail(_ failure: (@Sendable (OutboxMessage) -> Failure?)?) {
      state.withLock { $0.failure = failure }
    }

    func deliver(_ messages: [OutboxMessage]) throws {
      try state.withLock { state in
        state.calls += 1
        let refusal = state.failure
        if let failure = messages.compactMap({ refusal?($0) }).first { throw failure }
        state.received += messages.map(\.eventID)
      }
      arrivals.continuation.yield()
    }

    /// Returns after the next delivery that worked.
    func arrival() async {
      for await _ in arrivals.stream { return }
    }
  }

  private static func entry(_ action: String) -> AuditEntry {
    AuditEntry(
      action: action, entityType: "Thing", entityID: "1",
      actor: Actor(
        id: "SYSTEM", roles: [.admin], requestID: "r", client: ClientDescription(ip: "192.0.2.7", userAgent: "tests")),
      metadata: ["amountPaise": 5, "codes": ["A", "B"], "reason": "because", "final": true], occurredAt: now)
  }

  private static func append(
    _ database: MongoDatabase, _ aggregate: String, _ seq: Int64, entries: Int = 1, now: Timestamp = now
  ) async throws {
    try await database.transaction { connection in
      try Outbox.append(
        (0..<entries).map { entry("ACTION_\($0)") }, aggregate: aggregate, seq: seq, eventKey: "\(aggregate):\(seq)",
        now: now, in: connection)
    }
  }

  private static func relay(
    _ database: MongoDatabase, _ receiver: Receiver, settings: OutboxRelay.Settings = .init()
  ) -> OutboxRelay {
    OutboxRelay(database, service: "test", logger: Logger(label: "test"), settings: settings) {
      try receiver.deliver($0)
    }
  }

  private static func waiting(_ database: MongoDatabase) async throws -> Int64 {
    try await database.run { try $0.count(Outbox.collection, ["dispatched": false]) }
  }

  @Test("an entry survives its way through storage")
  func payload() throws {
    let entry = Self.entry("WALLET_CREDIT")
    #expect(try AuditEntry(payload: entry.payload()) == entry)
    let nobody = AuditEntry(action: "A", entityType: "E", entityID: "", actor: nil, occurredAt: Self.now)
    #expect(try AuditEntry(payload: nobody.payload()) == nobody)
  }

  @Test("metadata names from users must not become operators")
  func operatorNames() {
    let entry = AuditEntry(
      action: "A", entityType: "E", entityID: "1", actor: nil, metadata: ["$where": "x"], occurredAt: Self.now)
    #expect(throws: MongoFailure.self) { try entry.payload() }
  }

  @Test("an aborted change leaves no message")
  func aborted() async throws {
    struct Refused: Error {}
    try await TestMongo.withDatabase("aborted", migrations: [Self.migration]) { database async throws in
      await #expect(throws: Refused.self) {
        try await database.transaction { connection in
          try Outbox.append(
            [Self.entry("A")], aggregate: "a", seq: 1, eventKey: "a:1", now: Self.now, in: connection)
          throw Refused()
        }
      }
      #expect(try await Self.waiting(database) == 0)
    }
  }

  // Goal: order within an aggregate, whatever the clock did. Method: append in descending time.
  @Test("messages of one aggregate arrive by sequence even when the clock went backwards")
  func order() async throws {
    try await TestMongo.withDatabase("order", migrations: [Self.migration]) { database async throws in
      for seq in 1...3 as ClosedRange<Int64> {
        try await Self.append(database, "a", seq, entries: 2, now: Self.now.advanced(by: .seconds(-seq)))
      }
      let receiver = Receiver()
      #expect(try await Self.relay(database, receiver).round() == .idle)
      #expect(
        receiver.received == ["test/a:1#0", "test/a:1#1", "test/a:2#0", "test/a:2#1", "test/a:3#0", "test/a:3#1"])
      #expect(try await Self.waiting(database) == 0)
      #expect(try await Self.relay(database, receiver).round() == .idle)
      #expect(receiver.calls == 1)
    }
  }

  // Goal: the same across pages. Method: one message more than a page, the first of its aggregate on the second one.
  @Test("a message is never overtaken by a later one of its aggregate on an earlier page")
  func orderAcrossPages() async throws {
    try await TestMongo.withDatabase("pages", migrations: [Self.migration]) { database async throws in
      let count = Int64(OutboxStore.pageMax + 1)
      try await database.transaction { connection in
        for seq in 1...count {
          try Outbox.append(
            [Self.entry("A")], aggregate: "a", seq: seq, eventKey: "a:\(seq)",
            now: Self.now.advanced(by: .seconds(-seq)), in: connection)
        }
      }
      let receiver = Receiver()
      let relay = Self.relay(database, receiver)
      while try await relay.round() == .more {}
      #expect(receiver.received == (1...count).map { "test/a:\($0)#0" })
    }
  }

  @Test("what the receiver got but could not confirm is sent again with the same ids")
  func atLeastOnce() async throws {
    try await TestMongo.withDatabase("again", migrations: [Self.migration]) { database async throws in
      try await Self.append(database, "a", 1)
      let receiver = Receiver()
      let attempts = Atomic(0)
      let relay = OutboxRelay(database, service: "test", logger: Logger(label: "test"), settings: .init()) {
        try receiver.deliver($0)
        if attempts.add(1, ordering: .relaxed).newValue == 1 { throw Failure(.serviceUnavailable, "lost") }
      }
      await #expect(throws: Failure.self) { try await relay.round() }
      #expect(try await Self.waiting(database) == 1)
      #expect(try await relay.round() == .idle)
      #expect(receiver.received == ["test/a:1#0", "test/a:1#0"])
      #expect(try await Self.waiting(database) == 0)
    }
  }

  @Test("a receiver that is away loses nothing and is not refused anything")
  func receiverAway() async throws {
    try await TestMongo.withDatabase("away", migrations: [Self.migration]) { database async throws in
      try await Self.append(database, "a", 1)
      let receiver = Receiver()
      let relay = Self.relay(database, receiver)
      for code in [ErrorCode.serviceUnavailable, .deadlineExceeded, .internalError, .forbidden, .unimplemented] {
        receiver.fail { _ in Failure(code, "away") }
        for _ in 0..<6 { await #expect(throws: Failure.self) { try await relay.round() } }
      }
      receiver.fail(nil)
      #expect(try await relay.round() == .idle)
      #expect(receiver.received == ["test/a:1#0"])
    }
  }

  @Test("a message that is refused for good is parked, and only its own aggregate waits for that")
  func poison() async throws {
    try await TestMongo.withDatabase("poison", migrations: [Self.migration]) { database async throws in
      try await Self.append(database, "bad", 1)
      try await Self.append(database, "bad", 2)
      try await Self.append(database, "good", 1)
      let receiver = Receiver()
      receiver.fail { $0.eventID == "test/bad:1#0" ? Failure(.validationFailed, "no") : nil }
      let relay = Self.relay(database, receiver)
      for _ in 0..<4 {
        #expect(try await relay.round() == .held)
        #expect(receiver.received == ["test/good:1#0"])
      }
      #expect(try await relay.round() == .more)
      #expect(receiver.received == ["test/good:1#0", "test/bad:2#0"])
      #expect(try await relay.round() == .idle)
      let parked = try await database.run { try $0.find(Outbox.collection, ["parkedReason": "VALIDATION_FAILED"]) }
      #expect(try parked.map { try $0.int64("seq") } == [1])
      #expect(parked.first?.has("parkedAt") == true)
    }
  }

  @Test("of a document that is parked, the messages that nobody refuses are delivered")
  func poisonBesideOthers() async throws {
    try await TestMongo.withDatabase("poisonBeside", migrations: [Self.migration]) { database async throws in
      try await Self.append(database, "batch", 1, entries: 3)
      let receiver = Receiver()
      receiver.fail { $0.eventID == "test/batch:1#1" ? Failure(.validationFailed, "no") : nil }
      var settings = OutboxRelay.Settings()
      settings.refusalsMax = 1
      #expect(try await Self.relay(database, receiver, settings: settings).round() == .more)
      #expect(receiver.received == ["test/batch:1#0", "test/batch:1#2"])
      let parked = try await database.run {
        try $0.findOne(Outbox.collection, ["parkedReason": "VALIDATION_FAILED"])
      }
      #expect(try parked?.strings("parkedEvents") == ["test/batch:1#1"])
    }
  }

  @Test("what was delivered before the receiver went away is not sent again")
  func portions() async throws {
    try await TestMongo.withDatabase("portions", migrations: [Self.migration]) { database async throws in
      for seq in 1...4 as ClosedRange<Int64> { try await Self.append(database, "a", seq, entries: 2) }
      let receiver = Receiver()
      var settings = OutboxRelay.Settings()
      settings.portionMax = 3
      let relay = Self.relay(database, receiver, settings: settings)
      receiver.fail { $0.eventID == "test/a:3#0" ? Failure(.serviceUnavailable, "away") : nil }
      await #expect(throws: Failure.self) { try await relay.round() }
      receiver.fail(nil)
      #expect(try await relay.round() == .idle)
      #expect(receiver.received == (1...4).flatMap { ["test/a:\($0)#0", "test/a:\($0)#1"] })
    }
  }

  @Test("a document that cannot be read is parked and stops nobody")
  func unreadable() async throws {
    try await TestMongo.withDatabase("unreadable", migrations: [Self.migration]) { database async throws in
      try await database.run { connection in
        try connection.insertOne(
          Outbox.collection, ["aggregate": 7, "dispatched": false, "nextAttemptAt": .datetime(Self.now)])
      }
      try await Self.append(database, "a", 1)
      let receiver = Receiver()
      #expect(try await Self.relay(database, receiver).round() == .idle)
      #expect(receiver.received == ["test/a:1#0"])
      #expect(try await Self.waiting(database) == 0)
    }
  }

  @Test("a running relay delivers when it is woken, and ends with its task")
  func running() async throws {
    try await TestMongo.withDatabase("running", migrations: [Self.migration]) { database async throws in
      let receiver = Receiver()
      var settings = OutboxRelay.Settings()
      // Only a wake can be in time.
      settings.pollEvery = .seconds(3_600)
      let relay = Self.relay(database, receiver, settings: settings)
      let task = Task { await relay.run() }
      for seq in 1...3 as ClosedRange<Int64> {
        try await Self.append(database, "a", seq)
        relay.wake()
        await receiver.arrival()
      }
      task.cancel()
      await task.value
      #expect(receiver.received == ["test/a:1#0", "test/a:2#0", "test/a:3#0"])
    }
  }

  @Test("two relays at once repeat messages at most, and lose none")
  func twoRelays() async throws {
    try await TestMongo.withDatabase("two", migrations: [Self.migration]) { database async throws in
      for seq in 1...20 as ClosedRange<Int64> { try await Self.append(database, "a\(seq % 3)", seq) }
      let receiver = Receiver()
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<2 {
          let relay = Self.relay(database, receiver)
          group.addTask { while try await relay.round() == .more {} }
        }
        try await group.waitForAll()
      }
      #expect(Set(receiver.received).count == 20)
      #expect(try await Self.waiting(database) == 0)
    }
  }

  @Test("an event id stays short however long its key is")
  func longKeys() async throws {
    try await TestMongo.withDatabase("long", migrations: [Self.migration]) { database async throws in
      let key = String(repeating: "k", count: 500)
      try await database.transaction { connection in
        try Outbox.append([Self.entry("A")], aggregate: "a", seq: 1, eventKey: key, now: Self.now, in: connection)
      }
      let receiver = Receiver()
      _ = try await Self.relay(database, receiver).round()
      #expect(receiver.received.map(\.count) == ["test/".count + 64 + "#0".count])
    }
  }
}
