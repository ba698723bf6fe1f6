import Kernel
import Logging
import Mongo
import Synchronization
import TestKit
import Testing

@testable import Reliability

@Suite("The outbox", .enabled(if: TestMongo.isAvailable, "needs MONGODB_URI"))
struct OutboxTests {
  @Test("an entry survives its way through storage")
  func payload() throws {
    let entry = OutboxHarness.entry("WALLET_CREDIT")
    #expect(try AuditEntry(payload: entry.payload()) == entry)
    let nobody = AuditEntry(action: "A", entityType: "E", entityID: "", actor: nil, occurredAt: OutboxHarness.now)
    #expect(try AuditEntry(payload: nobody.payload()) == nobody)
  }

  @Test("metadata names from users must not become operators")
  func operatorNames() {
    let entry = AuditEntry(
      action: "A", entityType: "E", entityID: "1", actor: nil, metadata: ["$where": "x"], occurredAt: OutboxHarness.now)
    #expect(throws: MongoFailure.self) { try entry.payload() }
  }

  @Test("an aborted change leaves no message")
  func aborted() async throws {
    struct Refused: Error {}
    try await TestMongo.withDatabase("aborted", migrations: [OutboxHarness.migration]) { database async throws in
      await #expect(throws: Refused.self) {
        try await database.transaction { connection in
          try Outbox.append(
            [OutboxHarness.entry("A")], aggregate: "a", seq: 1, eventKey: "a:1", now: OutboxHarness.now, in: connection)
          throw Refused()
        }
      }
      #expect(try await OutboxHarness.waiting(database) == 0)
    }
  }

  // Goal: order within an aggregate, whatever the clock did. Method: append in descending time.
  @Test("messages of one aggregate arrive by sequence even when the clock went backwards")
  func order() async throws {
    try await TestMongo.withDatabase("order", migrations: [OutboxHarness.migration]) { database async throws in
      for seq in 1...3 as ClosedRange<Int64> {
        try await OutboxHarness.append(
          database, "a", seq, entries: 2, now: OutboxHarness.now.advanced(by: .seconds(-seq)))
      }
      let receiver = OutboxHarness.Receiver()
      #expect(try await OutboxHarness.relay(database, receiver).round() == .idle(nextDue: nil))
      #expect(
        receiver.received == ["test/a:1#0", "test/a:1#1", "test/a:2#0", "test/a:2#1", "test/a:3#0", "test/a:3#1"])
      #expect(try await OutboxHarness.waiting(database) == 0)
      #expect(try await OutboxHarness.relay(database, receiver).round() == .idle(nextDue: nil))
      #expect(receiver.calls == 1)
    }
  }

  // Goal: the same across pages. Method: the index holds them the wrong way round, as after an election it may.
  @Test("a message is never overtaken by a later one of its aggregate on an earlier page")
  func orderAcrossPages() async throws {
    try await TestMongo.withDatabase("pages", migrations: [OutboxHarness.migration]) { database async throws in
      let count = Int64(OutboxStore.pageMax + 1)
      try await database.transaction { connection in
        for seq in (1...count).reversed() {
          try Outbox.append(
            [OutboxHarness.entry("A")], aggregate: "a", seq: seq, eventKey: "a:\(seq)", now: OutboxHarness.now,
            in: connection)
        }
      }
      let receiver = OutboxHarness.Receiver()
      let relay = OutboxHarness.relay(database, receiver)
      while try await relay.round() == .more {}
      #expect(receiver.received == (1...count).map { "test/a:\($0)#0" })
    }
  }

  @Test("what the receiver got but could not confirm is sent again with the same ids")
  func atLeastOnce() async throws {
    try await TestMongo.withDatabase("again", migrations: [OutboxHarness.migration]) { database async throws in
      try await OutboxHarness.append(database, "a", 1)
      let receiver = OutboxHarness.Receiver()
      let attempts = Atomic(0)
      let relay = OutboxRelay(
        database, service: "test", logger: Logger(label: "test"), settings: OutboxHarness.impatient
      ) {
        try receiver.deliver($0)
        if attempts.add(1, ordering: .relaxed).newValue == 1 { throw Failure(.serviceUnavailable, "lost") }
      }
      #expect(try await relay.round() == .held)
      #expect(try await OutboxHarness.waiting(database) == 1)
      #expect(try await relay.round() == .idle(nextDue: nil))
      #expect(receiver.received == ["test/a:1#0", "test/a:1#0"])
      #expect(try await OutboxHarness.waiting(database) == 0)
    }
  }

  @Test("of a document that is parked, the messages that nobody refuses are delivered")
  func poisonBesideOthers() async throws {
    try await TestMongo.withDatabase("poisonBeside", migrations: [OutboxHarness.migration]) { database async throws in
      try await OutboxHarness.append(database, "batch", 1, entries: 3)
      let receiver = OutboxHarness.Receiver()
      receiver.fail { $0.eventID == "test/batch:1#1" ? Failure(.validationFailed, "no") : nil }
      var settings = OutboxRelay.Settings()
      settings.refusalsMax = 1
      #expect(try await OutboxHarness.relay(database, receiver, settings: settings).round() == .more)
      #expect(receiver.received == ["test/batch:1#0", "test/batch:1#2"])
      let parked = try await database.run {
        try $0.findOne(Outbox.collection, ["parkedReason": "VALIDATION_FAILED"])
      }
      #expect(try parked?.strings("parkedEvents") == ["test/batch:1#1"])
    }
  }

  @Test("what was delivered before the receiver went away is not sent again")
  func portions() async throws {
    try await TestMongo.withDatabase("portions", migrations: [OutboxHarness.migration]) { database async throws in
      for seq in 1...4 as ClosedRange<Int64> { try await OutboxHarness.append(database, "a", seq, entries: 2) }
      let receiver = OutboxHarness.Receiver()
      var settings = OutboxHarness.impatient
      settings.portionMax = 3
      let relay = OutboxHarness.relay(database, receiver, settings: settings)
      receiver.fail { $0.eventID == "test/a:3#0" ? Failure(.serviceUnavailable, "away") : nil }
      #expect(try await relay.round() == .held)
      receiver.fail(nil)
      while try await relay.round() == .more {}
      #expect(receiver.received == (1...4).flatMap { ["test/a:\($0)#0", "test/a:\($0)#1"] })
    }
  }

  @Test("a document that cannot be read is parked and stops nobody")
  func unreadable() async throws {
    try await TestMongo.withDatabase("unreadable", migrations: [OutboxHarness.migration]) { database async throws in
      try await database.run { connection in
        try connection.insertOne(
          Outbox.collection, ["aggregate": 7, "dispatched": false, "nextAttemptAt": .datetime(OutboxHarness.now)])
      }
      try await OutboxHarness.append(database, "a", 1)
      let receiver = OutboxHarness.Receiver()
      #expect(try await OutboxHarness.relay(database, receiver).round() == .idle(nextDue: nil))
      #expect(receiver.received == ["test/a:1#0"])
      #expect(try await OutboxHarness.waiting(database) == 0)
    }
  }

  @Test("two relays at once repeat messages at most, and lose none")
  func twoRelays() async throws {
    try await TestMongo.withDatabase("two", migrations: [OutboxHarness.migration]) { database async throws in
      for seq in 1...20 as ClosedRange<Int64> { try await OutboxHarness.append(database, "a\(seq % 3)", seq) }
      let receiver = OutboxHarness.Receiver()
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<2 {
          let relay = OutboxHarness.relay(database, receiver)
          group.addTask { while try await relay.round() == .more {} }
        }
        try await group.waitForAll()
      }
      #expect(Set(receiver.received).count == 20)
      #expect(try await OutboxHarness.waiting(database) == 0)
    }
  }

  @Test("an event id stays short however long its key is")
  func longKeys() async throws {
    try await TestMongo.withDatabase("long", migrations: [OutboxHarness.migration]) { database async throws in
      let key = String(repeating: "k", count: 500)
      try await database.transaction { connection in
        try Outbox.append(
          [OutboxHarness.entry("A")], aggregate: "a", seq: 1, eventKey: key, now: OutboxHarness.now, in: connection)
      }
      let receiver = OutboxHarness.Receiver()
      _ = try await OutboxHarness.relay(database, receiver).round()
      #expect(receiver.received.map(\.count) == ["test/".count + 64 + "#0".count])
    }
  }
}
