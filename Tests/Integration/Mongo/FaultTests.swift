import Kernel
import Mongo
import Synchronization
import TestKit
import Testing

// Serialized: the server has one such failpoint, and tests of it take turns anyway.
@Suite("Faults of MongoDB", .enabled(if: TestMongo.isAvailable, "needs MONGODB_URI"), .serialized)
struct FaultTests {
  static let things = Migration(id: "001", description: "things", up: [.createCollection("things")])

  /// Server error codes, by name.
  private enum Code {
    static let writeConflict: Int64 = 112
    static let notWritablePrimary: Int64 = 10_107
    static let interruptedAtShutdown: Int64 = 11_600
    static let interrupted: Int64 = 11_601
    static let maxTimeExpired: Int64 = 50
    static let noSuchTransaction: Int64 = 251
    static let unknownError: Int64 = 8
  }

  /// Counts how often the body of a unit of work runs.
  private final class Runs: Sendable {
    private let runs = Atomic(0)
    var count: Int { runs.load(ordering: .relaxed) }
    func add() { runs.add(1, ordering: .relaxed) }
  }

  private static func insert(_ mongo: TestMongo, _ runs: Runs, findsItself: Bool = false) async throws {
    try await mongo.database.transaction(findsItself: findsItself) { connection in
      runs.add()
      if findsItself, try connection.findOne("things", ["_id": 1]) != nil { return }
      try connection.insertOne("things", ["_id": 1])
    }
  }

  private static func count(_ mongo: TestMongo) async throws -> Int64 {
    try await mongo.database.run { try $0.count("things") }
  }

  @Test(
    "a transaction survives two transient failures of a command",
    arguments: [
      FailPoint.Effect.error(code: Code.writeConflict), .error(code: Code.notWritablePrimary),
      .error(code: Code.noSuchTransaction, labels: ["TransientTransactionError"]), .error(code: Code.interrupted),
      .closeConnection,
    ])
  func transientInTransaction(effect: FailPoint.Effect) async throws {
    try await TestMongo.withMongo("transient", migrations: [Self.things]) { mongo async throws in
      let runs = Runs()
      try await FailPoint(["insert"], effect, times: 2).active(for: mongo) { try await Self.insert(mongo, runs) }
      #expect(runs.count == 3)
      let stored = try await Self.count(mongo)
      #expect(stored == 1)
    }
  }

  @Test("three transient failures are the caller's, who learns that more attempts are pointless")
  func attemptsRunOut() async throws {
    try await TestMongo.withMongo("exhausted", migrations: [Self.things]) { mongo async throws in
      let runs = Runs()
      let failure = await #expect(throws: MongoFailure.self) {
        try await FailPoint(["insert"], .error(code: Code.notWritablePrimary), times: nil).active(for: mongo) {
          try await Self.insert(mongo, runs)
        }
      }
      #expect(runs.count == 3)
      #expect(failure?.failure.code == .databaseUnavailable)
      #expect(failure?.failure.retriesExhausted == true)
      let stored = try await Self.count(mongo)
      #expect(stored == 0)
    }
  }

  @Test("a commit of unknown outcome is committed again until it is known")
  func unknownCommitRepeated() async throws {
    try await TestMongo.withMongo("commit", migrations: [Self.things]) { mongo async throws in
      let runs = Runs()
      // 64 is a write concern failure: the commit happened, but nobody knows whether it lasts.
      let effect = FailPoint.Effect.writeConcernError(code: 64, labels: ["UnknownTransactionCommitResult"])
      try await FailPoint(["commitTransaction"], effect, times: 2).active(for: mongo) {
        try await Self.insert(mongo, runs)
      }
      #expect(runs.count == 1)
      let stored = try await Self.count(mongo)
      #expect(stored == 1)
    }
  }

  @Test("a commit whose reply is lost is committed again")
  func lostCommitReply() async throws {
    try await TestMongo.withMongo("lost", migrations: [Self.things]) { mongo async throws in
      let runs = Runs()
      try await FailPoint(["commitTransaction"], .closeConnection, times: 2).active(for: mongo) {
        try await Self.insert(mongo, runs)
      }
      let stored = try await Self.count(mongo)
      #expect(stored == 1)
      #expect(runs.count == 1)
    }
  }

  @Test("an outcome that stays unknown surfaces as such, not as a failure")
  func unknownCommitSurfaces() async throws {
    try await TestMongo.withMongo("unknown", migrations: [Self.things]) { mongo async throws in
      let runs = Runs()
      let effect = FailPoint.Effect.writeConcernError(code: 64, labels: ["UnknownTransactionCommitResult"])
      let failure = await #expect(throws: MongoFailure.self) {
        try await FailPoint(["commitTransaction"], effect, times: nil).active(for: mongo) {
          try await Self.insert(mongo, runs)
        }
      }
      #expect(failure == .unknownCommitResult)
      #expect(failure?.failure.code == .serviceUnavailable)
      let stored = try await Self.count(mongo)
      #expect(stored == 1)
    }
  }

  @Test("a body that finds its own effect resolves an unknown outcome by running again")
  func unknownCommitResolved() async throws {
    try await TestMongo.withMongo("resolved", migrations: [Self.things]) { mongo async throws in
      let runs = Runs()
      let effect = FailPoint.Effect.writeConcernError(code: 64, labels: ["UnknownTransactionCommitResult"])
      // libmongoc sends each of our three commits once; the fourth one, of the second run, goes through.
      try await FailPoint(["commitTransaction"], effect, times: 3).active(for: mongo) {
        try await Self.insert(mongo, runs, findsItself: true)
      }
      // Twice, or more often when the busy server failed a commit of its own accord: the effect is there once.
      #expect(runs.count >= 2)
      let stored = try await Self.count(mongo)
      #expect(stored == 1)
    }
  }

  @Test("a commit that was certainly aborted runs the transaction again")
  func transientCommit() async throws {
    try await TestMongo.withMongo("aborted", migrations: [Self.things]) { mongo async throws in
      let runs = Runs()
      let effect = FailPoint.Effect.error(code: Code.noSuchTransaction, labels: ["TransientTransactionError"])
      try await FailPoint(["commitTransaction"], effect).active(for: mongo) { try await Self.insert(mongo, runs) }
      #expect(runs.count == 2)
      let stored = try await Self.count(mongo)
      #expect(stored == 1)
    }
  }

  @Test(
    "a read survives two failures of the network or of the primary",
    arguments: [
      FailPoint.Effect.closeConnection, .error(code: Code.notWritablePrimary),
      .error(code: Code.interruptedAtShutdown),
    ])
  func transientRead(effect: FailPoint.Effect) async throws {
    try await TestMongo.withMongo("read", migrations: [Self.things]) { mongo async throws in
      let runs = Runs()
      try await FailPoint(["find"], effect, times: 2).active(for: mongo) {
        try await mongo.database.run { connection in
          runs.add()
          _ = try connection.findOne("things", [:])
        }
      }
      #expect(runs.count == 3)
    }
  }

  @Test("other errors are not retried and show nothing of themselves to callers")
  func otherErrors() async throws {
    try await TestMongo.withMongo("other", migrations: [Self.things]) { mongo async throws in
      let runs = Runs()
      let failure = await #expect(throws: MongoFailure.self) {
        try await FailPoint(["find"], .error(code: Code.unknownError), times: nil).active(for: mongo) {
          try await mongo.database.run { connection in
            runs.add()
            _ = try connection.findOne("things", [:])
          }
        }
      }
      #expect(runs.count == 1)
      #expect(failure?.failure == Failure(.internalError, "internal error"))
    }
  }

  @Test("the server's time limit is told apart from other errors and not retried")
  func maxTimeExpired() async throws {
    try await TestMongo.withMongo("limit", migrations: [Self.things]) { mongo async throws in
      await #expect(throws: MongoFailure.maxTimeExpired) {
        try await FailPoint(["find"], .error(code: Code.maxTimeExpired), times: nil).active(for: mongo) {
          _ = try await mongo.database.run { try $0.findOne("things", [:]) }
        }
      }
    }
  }

  // Goal: nobody waits longer than his deadline. Method: the server blocks far longer than the test may take.
  @Test("a caller stops waiting at its deadline")
  func deadline() async throws {
    try await TestMongo.withMongo("deadline", migrations: [Self.things]) { mongo async throws in
      try await FailPoint(["find"], .block(milliseconds: 2_000)).active(for: mongo) {
        let failure = await #expect(throws: MongoFailure.self) {
          try await Deadline.$current.withValue(.after(.milliseconds(100))) {
            _ = try await mongo.database.run { try $0.findOne("things", [:]) }
          }
        }
        #expect(failure == .timeout)
        #expect(failure?.failure.code == .deadlineExceeded)
      }
    }
  }

  @Test("a deadline that has passed sends nothing")
  func passedDeadline() async throws {
    try await TestMongo.withDatabase("passed", migrations: [Self.things]) { database async throws in
      await #expect(throws: MongoFailure.timeout) {
        try await Deadline.$current.withValue(.after(.zero)) {
          try await database.run { try $0.insertOne("things", ["_id": 1]) }
        }
      }
      let stored = try await database.run { try $0.count("things") }
      #expect(stored == 0)
    }
  }

  @Test("a cancelled caller stops waiting, and its transaction does not commit")
  func cancellation() async throws {
    try await TestMongo.withMongo("cancel", migrations: [Self.things]) { mongo async throws in
      try await FailPoint(["insert"], .block(milliseconds: 500)).active(for: mongo) {
        let runs = Runs()
        let started = AsyncStream.makeStream(of: Void.self)
        let task = Task {
          try await mongo.database.transaction { connection in
            runs.add()
            started.continuation.yield()
            try connection.insertOne("things", ["_id": 1])
          }
        }
        var iterator = started.stream.makeAsyncIterator()
        await iterator.next()
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(runs.count == 1)
      }
      await mongo.client.close()
    }
  }
}
