import Kernel
import Mongo
import Synchronization
import TestKit
import Testing

@Suite("What the client tells", .enabled(if: TestMongo.isAvailable, "needs MONGODB_URI"))
struct ListenerTests {
  static let things = Migration(id: "001", description: "things", up: [.createCollection("things")])

  private final class Recorder: MongoListener {
    @TaskLocal static var span = ""
    private let events = Mutex<[MongoEvent]>([])

    func heard(_ event: MongoEvent) { events.withLock { $0.append(event) } }

    func context() -> (any Sendable)? { Self.span.isEmpty ? nil : Self.span }

    var all: [MongoEvent] { events.withLock { $0 } }

    /// `name outcome` of the commands that belong to a span.
    func commands(of span: String) -> [String] {
      all.compactMap { event in
        guard case .command(let command) = event, command.context as? String == span else { return nil }
        return "\(command.name) \(command.failure ?? "ok")"
      }
    }
  }

  private static func listening(
    _ label: String, _ body: (MongoDatabase, Recorder) async throws -> Void
  ) async throws {
    let recorder = Recorder()
    try await TestMongo.withMongo(label, migrations: [things], listener: recorder) { mongo async throws in
      try await body(mongo.database, recorder)
    }
  }

  @Test("every command is told with its outcome and the span that it belongs to, and with no value")
  func commands() async throws {
    try await Self.listening("commands") { database, recorder async throws in
      try await Recorder.$span.withValue("one") {
        try await database.run { connection in
          try connection.insertOne("things", ["_id": 1, "secret": "canary"])
          _ = try? connection.insertOne("things", ["_id": 1, "secret": "canary"])
          _ = try connection.findOne("things", ["secret": "canary"])
          _ = try? connection.command(["noSuchCommand": "canary"])
        }
      }
      try await Recorder.$span.withValue("two") {
        try await database.transaction { try $0.insertOne("things", ["_id": 2]) }
      }
      #expect(recorder.commands(of: "one") == ["insert ok", "insert duplicate_key", "find ok", "other other"])
      #expect(recorder.commands(of: "two") == ["insert ok", "commitTransaction ok"])
      #expect(!"\(recorder.all)".contains("canary"))
    }
  }

  @Test("the deployment's changes are told once")
  func topology() async throws {
    try await Self.listening("topology") { _, recorder async throws in
      let changes = recorder.all.compactMap { event -> TopologyChange? in
        if case .topology(let change) = event { return change }
        return nil
      }
      #expect(changes.count(where: { $0 == .connected }) == 1)
      #expect(changes.contains(.serverOpened))
      #expect(changes.contains(.serverChanged))
      #expect(changes.contains(.topologyChanged))
      #expect(!changes.contains(.disconnected))
    }
  }

  @Test("who waits for a connection, in vain or not, is counted")
  func waits() async throws {
    try await Self.listening("waits") { database, recorder async throws in
      _ = try await database.run { try $0.count("things") }
      let waits = recorder.all.count {
        if case .gotConnection = $0 { true } else { false }
      }
      #expect(waits >= 1)
    }
  }
}
