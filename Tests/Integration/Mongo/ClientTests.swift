import Dispatch
import Kernel
import Logging
import Mongo
import Synchronization
import TestKit
import Testing

@Suite("The client", .enabled(if: TestMongo.isAvailable, "needs MONGODB_URI"))
struct ClientTests {
  @Test("goes from disconnected over connected to disconnected, and says nothing about its own end")
  func states() async throws {
    let lines = LogRecorder()
    let client = MongoClient(TestMongo.configuration("states"), logger: lines.logger)
    #expect(client.state == .disconnected)
    await #expect(throws: MongoFailure.closed) { try await client.database.run { try $0.count("things") } }
    try await client.start()
    #expect(client.state == .connected)
    #expect(client.state.readyState == 1)
    await client.close()
    #expect(client.state == .disconnected)
    await #expect(throws: MongoFailure.closed) { try await client.database.run { try $0.count("things") } }
    await #expect(throws: MongoFailure.closed) { try await client.start() }
    #expect(lines.aboutConnection == ["info: database connected"])
    // The servers were told of when they became known; their end is part of ours.
    #expect(!lines.recorded.contains("info: database server no longer known"))
  }

  @Test("concurrent starts share one attempt")
  func sharedStart() async throws {
    let lines = LogRecorder()
    let client = MongoClient(TestMongo.configuration("start"), logger: lines.logger)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<10 { group.addTask { try await client.start() } }
      try await group.waitForAll()
    }
    #expect(try await client.database.run { try $0.count("things") } == 0)
    await client.close()
    #expect(lines.aboutConnection.count == 1)
  }

  @Test("a server that does not answer is unreachable, and a later start may succeed")
  func unreachable() async throws {
    var configuration = TestMongo.configuration("unreachable")
    // Port 1 is reserved and closed.
    configuration.uri = "mongodb://127.0.0.1:1/?replicaSet=rs0"
    configuration.serverSelectionTimeout = .milliseconds(200)
    let client = MongoClient(configuration, logger: LogRecorder().logger)
    for _ in 0..<2 {
      let failure = await #expect(throws: MongoStartFailure.self) { try await client.start() }
      guard case .unreachable = failure else {
        Issue.record("another failure: \(String(describing: failure))")
        return
      }
    }
    #expect(client.state == .disconnected)
    await client.close()
  }

  @Test(
    "an unusable URI is refused with a reason",
    arguments: ["nonsense", "mongodb://[::1]:27017", "mongodb://127.0.0.1:99999"])
  func invalidURI(uri: String) async throws {
    var configuration = TestMongo.configuration("uri")
    configuration.uri = uri
    let client = MongoClient(configuration, logger: LogRecorder().logger)
    let failure = await #expect(throws: MongoStartFailure.self) { try await client.start() }
    guard case .invalidURI = failure else {
      Issue.record("another failure: \(String(describing: failure))")
      return
    }
  }

  @Test("a configuration never prints its credentials")
  func redaction() {
    let configuration = MongoConfiguration(
      uri: "mongodb://user:p%40ss@db1:27017,db2/?authSource=canary", database: "d", appName: "a")
    #expect("\(configuration)".hasPrefix("mongodb://db1:27017,db2 database=d"))
    #expect(!"\(configuration)".contains("p%40ss"))
    #expect(!"\(configuration)".contains("canary"))
  }

  @Test("localhost means 127.0.0.1")
  func localhost() async throws {
    var configuration = TestMongo.configuration("localhost")
    configuration.uri = TestMongo.uri.replacing("127.0.0.1", with: "localhost")
    let client = MongoClient(configuration, logger: LogRecorder().logger)
    try await client.start()
    #expect(client.state == .connected)
    await client.close()
  }

  // Goal: a full pool is told apart from a lost database. Method: one connection, held until the other call failed.
  @Test("a call that gets no connection in time fails clearly")
  func exhaustedPool() async throws {
    try await TestMongo.withMongo(
      "pool",
      configure: {
        $0.poolMax = 1
        // What the calls that are to get the connection may have to wait on a busy machine.
        $0.waitQueueTimeout = .seconds(1)
      }
    ) { mongo in
      let database = mongo.database
      let release = DispatchSemaphore(value: 0)
      let started = AsyncStream.makeStream(of: Void.self)
      async let holder: Void = database.run { _ in
        started.continuation.yield()
        release.wait()
      }
      var iterator = started.stream.makeAsyncIterator()
      await iterator.next()
      let failure = await #expect(throws: MongoFailure.self) { try await database.run { try $0.count("things") } }
      #expect(failure == .poolExhausted)
      #expect(failure?.failure.code == .databaseUnavailable)
      release.signal()
      try await holder
      #expect(try await database.run { try $0.count("things") } == 0)
    }
  }

  @Test("connections up to the minimum are opened without a call, and kept")
  func warm() async throws {
    try await TestMongo.withMongo("warm", configure: { $0.poolMin = 4 }) { mongo in
      try await TestMongo.await("four connections") {
        let pool = mongo.client.poolStatistics
        return pool.size == 4 && pool.idle == 4
      }
    }
  }

  @Test("many more calls than connections are all answered")
  func queueing() async throws {
    try await TestMongo.withMongo("queue", configure: { $0.poolMax = 3 }) { mongo async throws in
      let database = mongo.database
      try await withThrowingTaskGroup(of: Int64.self) { group in
        for _ in 0..<100 { group.addTask { try await database.run { try $0.count("things") } } }
        var answers = 0
        for try await _ in group { answers += 1 }
        #expect(answers == 100)
      }
      #expect(mongo.client.poolStatistics.size <= 3)
    }
  }
}

/// Keeps log lines of level info and above.
final class LogRecorder: Sendable {
  private struct Handler: LogHandler {
    let lines: LogRecorder
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.info

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
      lines.entries.withLock { $0.append("\(event.level): \(event.message)") }
    }
  }

  private let entries = Mutex<[String]>([])

  var recorded: [String] { entries.withLock { $0 } }

  /// Without what is said of single servers.
  var aboutConnection: [String] { recorded.filter { $0.hasSuffix("connected") } }

  var logger: Logger { Logger(label: "test") { _ in Handler(lines: self) } }
}
