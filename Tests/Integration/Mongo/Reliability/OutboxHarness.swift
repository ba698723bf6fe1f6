import Kernel
import Logging
import Mongo
import Synchronization
import TestKit

@testable import Reliability

/// What tests of the outbox and its relay have in common.
enum OutboxHarness {
  static let migration = Migration(id: "001_outbox", description: "outbox", up: Outbox.migrationSteps)
  static let now = ManualClock().now()

  /// Without pauses: what was postponed is due at once, and only being woken is in time.
  static let impatient: OutboxRelay.Settings = {
    var settings = OutboxRelay.Settings()
    settings.pollEvery = .seconds(3_600)
    settings.streamSpan = nil
    settings.backoffMin = .milliseconds(1)
    settings.backoffMax = .milliseconds(2)
    settings.delayMin = .zero
    settings.delayMax = .zero
    return settings
  }()

  /// Takes messages, and refuses what a test tells it to.
  final class Receiver: Sendable {
    private struct State {
      var received: [String] = []
      var failure: (@Sendable (OutboxMessage) -> Failure?)?
      var calls = 0
    }

    private let state = Mutex(State())
    private let arrivals = AsyncStream.makeStream(of: Void.self)

    /// Event ids in order of arrival, repetitions included.
    var received: [String] { state.withLock { $0.received } }
    /// The same without repetitions.
    var order: [String] {
      var seen: Set<String> = []
      return received.filter { seen.insert($0).inserted }
    }
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

    /// Returns when everything of `count` different events has arrived.
    func arrivals(_ count: Int) async {
      while Set(received).count < count { await arrival() }
    }
  }

  static func entry(_ action: String) -> AuditEntry {
    AuditEntry(
      action: action, entityType: "Thing", entityID: "1",
      actor: Actor(
        id: "SYSTEM", roles: [.admin], requestID: "r", client: ClientDescription(ip: "192.0.2.7", userAgent: "tests")),
      metadata: ["amountPaise": 5, "codes": ["A", "B"], "reason": "because", "final": true], occurredAt: now)
  }

  static func append(
    _ database: MongoDatabase, _ aggregate: String, _ seq: Int64, entries: Int = 1, now: Timestamp = now
  ) async throws {
    try await database.transaction { connection in
      try Outbox.append(
        (0..<entries).map { entry("ACTION_\($0)") }, aggregate: aggregate, seq: seq, eventKey: "\(aggregate):\(seq)",
        now: now, in: connection)
    }
  }

  static func relay(
    _ database: MongoDatabase, _ receiver: Receiver, settings: OutboxRelay.Settings = impatient
  ) -> OutboxRelay {
    OutboxRelay(database, service: "test", logger: Logger(label: "test"), settings: settings) {
      try receiver.deliver($0)
    }
  }

  /// The relay runs for as long as `body` does.
  static func running(_ relay: OutboxRelay, _ body: () async throws -> Void) async throws {
    let task = Task { await relay.run() }
    defer { task.cancel() }
    try await body()
    task.cancel()
    await task.value
  }

  static func waiting(_ database: MongoDatabase) async throws -> Int64 {
    try await database.run { try $0.count(Outbox.collection, ["dispatched": false]) }
  }
}
