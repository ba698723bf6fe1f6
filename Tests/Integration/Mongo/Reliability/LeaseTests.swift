import Kernel
import Logging
import Mongo
import Synchronization
import TestKit
import Testing

@testable import Reliability

@Suite("The leader lease", .enabled(if: TestMongo.isAvailable, "needs MONGODB_URI"), .serialized)
struct LeaseTests {
  private static let migration = Migration(
    id: "001", description: "leases", up: LeaderLease.migrationSteps + [.createCollection("things")])

  /// A replica, with what it is told and tells.
  private struct Replica: Sendable {
    let lease: LeaderLease
    private let began = AsyncStream.makeStream(of: Tenure.self)
    private let ended = AsyncStream.makeStream(of: Void.self)

    init(_ database: MongoDatabase, _ holder: String, term: Duration = .seconds(60)) {
      var times = LeaderLease.Times()
      times.term = term
      times.renewEvery = .milliseconds(20)
      times.lookEvery = .milliseconds(20)
      lease = LeaderLease(
        database, name: "work", holder: holder, times: times, logger: Logger(label: "test"))
    }

    /// Leads until it is cancelled; its work lasts as long as its tenure.
    func start() -> Task<Void, Never> {
      Task {
        await lease.lead { tenure in
          began.continuation.yield(tenure)
          try? await Task.sleep(for: .seconds(3_600))
          ended.continuation.yield()
        }
      }
    }

    func beginning() async -> Tenure? {
      for await tenure in began.stream { return tenure }
      return nil
    }

    func ending() async {
      for await _ in ended.stream { return }
    }
  }

  private static func store(_ database: MongoDatabase, _ holder: String, term: Duration = .seconds(60)) -> LeaseStore {
    LeaseStore(database: database, name: "work", holder: holder, term: term)
  }

  private static func document(_ database: MongoDatabase) async throws -> BSONDocument {
    try #require(try await database.run { try $0.findOne(LeaseStore.collection, ["_id": "work"]) })
  }

  @Test("one of several leads, and the next begins as soon as it has given the lease back")
  func givenBack() async throws {
    try await TestMongo.withDatabase("lease", migrations: [Self.migration]) { database async throws in
      let replicas = (1...3).map { Replica(database, "replica \($0)") }
      let first = replicas[0].start()
      let tenure = try #require(await replicas[0].beginning())
      #expect(tenure.token == 1)
      let others = replicas.dropFirst().map { $0.start() }
      // A term of a minute: only giving it back can be in time.
      first.cancel()
      await first.value
      #expect(!tenure.isHeld)
      let next = try await withThrowingTaskGroup(of: Int64?.self) { group in
        for replica in replicas.dropFirst() { group.addTask { await replica.beginning()?.token } }
        defer { group.cancelAll() }
        return try await group.next() ?? nil
      }
      #expect(next == 2)
      #expect(replicas.filter { $0.lease.reading.isHeld }.count == 1)
      // Nobody was robbed.
      #expect(replicas.map(\.lease.reading.takeovers) == [0, 0, 0])
      for task in others { task.cancel() }
      for task in others { await task.value }
    }
  }

  @Test("a holder that is gone is followed when its term is over, under a larger token")
  func takenOver() async throws {
    try await TestMongo.withDatabase("gone", migrations: [Self.migration]) { database async throws in
      // Takes the lease and is never heard of again.
      let gone = try await Self.store(database, "gone", term: .milliseconds(200)).take()
      #expect(gone.holder == "gone")
      let replica = Replica(database, "next")
      let task = replica.start()
      let tenure = try #require(await replica.beginning())
      #expect(tenure.token == gone.token + 1)
      let reading = replica.lease.reading
      #expect(reading.isHeld && reading.acquired == 1 && reading.takeovers == 1 && reading.lost == 0)
      task.cancel()
      await task.value
    }
  }

  @Test("a lease that is held is not to be had, whoever asks")
  func held() async throws {
    try await TestMongo.withDatabase("held", migrations: [Self.migration]) { database async throws in
      let mine = try await Self.store(database, "mine").take()
      let seen = try await Self.store(database, "other").take()
      #expect(seen.holder == "mine" && seen.token == mine.token)
      #expect(seen.remaining > .seconds(30) && seen.remaining <= .seconds(60))
      // Asking again is how a request is repeated whose answer was lost.
      let again = try await Self.store(database, "mine").take()
      #expect(again.holder == "mine" && again.token == mine.token + 1)
      let isOld = try await Self.store(database, "mine").renew(mine.token)
      #expect(!isOld)
    }
  }

  @Test("a holder renews, and keeps its token beyond its term")
  func renewed() async throws {
    try await TestMongo.withDatabase("renewed", migrations: [Self.migration]) { database async throws in
      let replica = Replica(database, "steady", term: .seconds(2))
      let task = replica.start()
      let tenure = try #require(await replica.beginning())
      let end = try await Self.document(database).datetime("expiresAt")
      // By the database's clock the first term is over.
      while try await Self.document(database).datetime("expiresAt") < end.advanced(by: .seconds(2)) {
        await Task.yield()
      }
      #expect(tenure.isHeld)
      let now = try await Self.document(database)
      #expect(try now.int64("token") == tenure.token)
      #expect(replica.lease.reading.acquired == 1)
      task.cancel()
      await task.value
    }
  }

  @Test("a holder that cannot renew stops by itself, and does not begin again before it can")
  func cutOff() async throws {
    try await TestMongo.withMongo("cut", migrations: [Self.migration]) { mongo async throws in
      let replica = Replica(mongo.database, "cut off", term: .milliseconds(600))
      let task = replica.start()
      let tenure = try #require(await replica.beginning())
      try await FailPoint(["update", "findAndModify"], .closeConnection, times: nil).active(for: mongo) {
        await replica.ending()
        #expect(!tenure.isHeld && !replica.lease.reading.isHeld)
      }
      let next = try #require(await replica.beginning())
      #expect(next.token > tenure.token)
      #expect(replica.lease.reading.lost == 1)
      task.cancel()
      await task.value
    }
  }

  @Test("whoever wakes up as a former holder commits nothing under its token")
  func fenced() async throws {
    try await TestMongo.withDatabase("fenced", migrations: [Self.migration]) { database async throws in
      // Its term is over at once, and it does not know: as if it had been stopped.
      let former = Self.store(database, "former", term: .zero)
      let old = Tenure(former, token: try await former.take().token, until: .after(.seconds(3_600)))
      try await former.raiseFence(to: old.token)
      let write: @Sendable (Tenure, Int64) async throws -> Void = { tenure, id in
        try await database.transaction { connection in
          try connection.insertOne("things", ["_id": .int64(id)])
          try tenure.fence(in: connection)
        }
      }
      try await write(old, 1)

      let replica = Replica(database, "next")
      let task = replica.start()
      let new = try #require(await replica.beginning())
      #expect(old.isHeld && new.isHeld)
      await #expect(throws: LeaseLost.self) { try await write(old, 2) }
      try await write(new, 3)
      let ids = try await database.run { try $0.find("things", sort: ["_id": 1]).map { try $0.int64("_id") } }
      #expect(ids == [1, 3])
      // Nor does it get the fence back by raising it.
      await #expect(throws: LeaseLost.self) { try await former.raiseFence(to: old.token) }
      task.cancel()
      await task.value
    }
  }

  // Goal: no commit of the former one after the next has begun. Method: its transaction is open, under the fence, while
  // the next takes over.
  @Test("the next holder begins after the transaction that the former one has open")
  func openTransaction() async throws {
    try await TestMongo.withDatabase("open", migrations: [Self.migration]) { database async throws in
      let former = Self.store(database, "former", term: .zero)
      let old = Tenure(former, token: try await former.take().token, until: .after(.seconds(3_600)))
      try await former.raiseFence(to: old.token)
      let replica = Replica(database, "next")
      let journal = Journal()
      let (isOpen, mayCommit) = (AsyncStream.makeStream(of: Void.self), AtomicFlag())
      let transaction = Task {
        try await database.transaction { connection in
          try old.fence(in: connection)
          isOpen.continuation.yield()
          // On a thread of the database pool; each look keeps the transaction busy.
          while !mayCommit.isSet { _ = try connection.findOne("things", [:]) }
          journal.add("former commits")
        }
      }
      for await _ in isOpen.stream { break }
      let task = replica.start()
      // It has the lease; the fence is what it waits for.
      while try await Self.document(database).optionalString("holder") != "next" { await Task.yield() }
      mayCommit.set()
      try await transaction.value
      _ = await replica.beginning()
      journal.add("next begins")
      #expect(journal.entries == ["former commits", "next begins"])
      task.cancel()
      await task.value
    }
  }

  private final class Journal: Sendable {
    private let lines = Mutex<[String]>([])
    var entries: [String] { lines.withLock { $0 } }
    func add(_ line: String) { lines.withLock { $0.append(line) } }
  }

  private final class AtomicFlag: Sendable {
    private let flag = Atomic(false)
    var isSet: Bool { flag.load(ordering: .acquiring) }
    func set() { flag.store(true, ordering: .releasing) }
  }
}
