import Kernel
import Messages
import Mongo
import Reliability
import TestKit
import Testing

@Suite("The request log", .enabled(if: TestMongo.isAvailable, "needs MONGODB_URI"))
struct RequestLogTests {
  static let migration = Migration(id: "001_request_log", description: "request log", up: RequestLog.migrationSteps)

  private static let scope = RequestScope(callerID: "000000000000000000000001", rpc: "Deposit", requestID: "r-1")
  private static let fingerprint: [UInt8] = [1, 2, 3]
  private static let log = RequestLog()

  private static func find(
    _ database: MongoDatabase, _ clock: ManualClock, scope: RequestScope = scope, fingerprint: [UInt8] = fingerprint
  ) async throws -> Replay? {
    let now = clock.now()
    return try await database.run {
      try log.find(scope: scope, fingerprint: fingerprint, now: now, in: $0)
    }
  }

  private static func store(_ database: MongoDatabase, _ clock: ManualClock, _ answer: RememberedAnswer) async throws {
    let now = clock.now()
    try await database.transaction {
      try log.store(scope: scope, fingerprint: fingerprint, answer: answer, now: now, in: $0)
    }
  }

  @Test(
    "an answer is replayed as it was",
    arguments: [RememberedAnswer.response([9, 0, 9]), .response([]), .failure(code: .soldOut, message: "gone")])
  func replay(answer: RememberedAnswer) async throws {
    try await TestMongo.withDatabase("replay", migrations: [Self.migration]) { database async throws in
      let clock = ManualClock()
      #expect(try await Self.find(database, clock) == nil)
      try await Self.store(database, clock, answer)
      #expect(try await Self.find(database, clock)?.state == .answered(answer))
      let other = RequestScope(callerID: Self.scope.callerID, rpc: Self.scope.rpc, requestID: "r-2")
      #expect(try await Self.find(database, clock, scope: other) == nil)
    }
  }

  @Test("another request under the same id is refused")
  func mismatch() async throws {
    try await TestMongo.withDatabase("mismatch", migrations: [Self.migration]) { database async throws in
      let clock = ManualClock()
      try await Self.store(database, clock, .response([1]))
      let failure = await #expect(throws: Failure.self) {
        try await Self.find(database, clock, fingerprint: [3, 2, 1])
      }
      #expect(failure?.code == .idempotencyMismatch)
    }
  }

  // Goal: seven days, both sides. Method: the row stays, because the TTL index has not run.
  @Test("an answer is remembered for seven days, and its row is replaced afterwards")
  func expiry() async throws {
    try await TestMongo.withDatabase("expiry", migrations: [Self.migration]) { database async throws in
      // The server's TTL monitor knows the real time only.
      let clock = ManualClock(SystemClock().now())
      try await Self.store(database, clock, .response([1]))
      clock.advance(by: .seconds(7 * 86_400) - .milliseconds(1))
      #expect(try await Self.find(database, clock)?.response == [1])
      await #expect(throws: MongoFailure.duplicateKey(index: RequestLog.index, collection: RequestLog.collection)) {
        try await Self.store(database, clock, .response([2]))
      }
      clock.advance(by: .milliseconds(1))
      #expect(try await Self.find(database, clock) == nil)
      try await Self.store(database, clock, .response([2]))
      #expect(try await Self.find(database, clock)?.response == [2])
      let rows = try await database.run { try $0.count(RequestLog.collection) }
      #expect(rows == 1)
    }
  }

  @Test("a saga's request is pending until its last step, whose answer is then replayed")
  func saga() async throws {
    try await TestMongo.withDatabase("saga", migrations: [Self.migration]) { database async throws in
      let clock = ManualClock()
      let now = clock.now()
      try await database.transaction {
        try Self.log.begin(scope: Self.scope, fingerprint: Self.fingerprint, now: now, in: $0)
      }
      #expect(try await Self.find(database, clock)?.state == .pending)
      await #expect(throws: MongoFailure.self) {
        try await database.transaction {
          try Self.log.begin(scope: Self.scope, fingerprint: Self.fingerprint, now: now, in: $0)
        }
      }
      try await database.transaction {
        try Self.log.complete(
          scope: Self.scope, fingerprint: Self.fingerprint, answer: .response([4]), now: now, in: $0)
      }
      #expect(try await Self.find(database, clock)?.response == [4])
      try await database.transaction {
        try Self.log.forget(scope: Self.scope, fingerprint: Self.fingerprint, in: $0)
      }
      #expect(try await Self.find(database, clock) == nil)
    }
  }

  // Goal: the row and the change are one. Method: the loser of a race must not leave its effect behind.
  @Test("an expired row of another request does not keep a new answer from being remembered")
  func expiredOther() async throws {
    try await TestMongo.withDatabase("expired", migrations: [Self.migration]) { database async throws in
      let clock = ManualClock()
      try await Self.store(database, clock, .response([1]))
      clock.advance(by: .seconds(8 * 86_400))
      let now = clock.now()
      try await database.transaction {
        try Self.log.complete(
          scope: Self.scope, fingerprint: [4, 5, 6], answer: .response([2]), now: now, in: $0)
      }
      #expect(try await Self.find(database, clock, fingerprint: [4, 5, 6])?.state == .answered(.response([2])))
    }
  }

  @Test("of several identical requests at once one takes effect, and all see its answer")
  func race() async throws {
    let effects = Migration(id: "002_effects", description: "effects", up: [.createCollection("effects")])
    try await TestMongo.withMongo(
      "race", migrations: [Self.migration, effects], configure: { $0.retryAttempts = 20 }
    ) { mongo async throws in
      let (database, now) = (mongo.database, ManualClock().now())
      let answers = try await withThrowingTaskGroup(of: [UInt8]?.self) { group in
        for number in 0..<6 as Range<UInt8> {
          group.addTask {
            try await database.transaction { connection in
              let replay = try Self.log.find(
                scope: Self.scope, fingerprint: Self.fingerprint, now: now, in: connection)
              if let response = replay?.response { return response }
              try connection.insertOne("effects", ["by": .int32(Int32(number))])
              try Self.log.store(
                scope: Self.scope, fingerprint: Self.fingerprint, response: [number], now: now, in: connection)
              return [number]
            }
          }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(answers.count == 6)
      #expect(Set(answers).count == 1)
      let stored = try await database.run { try $0.count("effects") }
      #expect(stored == 1)
    }
  }

  @Test("fingerprints tell methods and contents apart, and ignore the request id and secrets")
  func fingerprints() {
    let deposit = WalletV1.DepositRequest(requestId: "r-1", amountPaise: 5)
    let again = WalletV1.DepositRequest(requestId: "r-2", amountPaise: 5)
    let more = WalletV1.DepositRequest(requestId: "r-1", amountPaise: 6)
    let print = RequestFingerprint(method: "Deposit", message: deposit)
    #expect(print.bytes.count == 32)
    #expect(print == RequestFingerprint(method: "Deposit", message: again))
    #expect(print != RequestFingerprint(method: "Deposit", message: more))
    #expect(print != RequestFingerprint(method: "Withdraw", message: deposit))
  }

  @Test("fingerprints tell pictures apart by their hash, and never hold a password")
  func fingerprintParts() {
    func order(_ picture: [UInt8]?) -> OrderV1.CreateOrderRequest {
      OrderV1.CreateOrderRequest(
        requestId: "r-1", purchaseProof: picture.map { CommonV1.Image(data: $0, contentType: "image/png") })
    }
    let (one, other) = ([UInt8](repeating: 1, count: 100_000), [UInt8](repeating: 2, count: 100_000))
    func print(_ picture: [UInt8]?) -> RequestFingerprint {
      RequestFingerprint(method: "CreateOrder", message: order(picture))
    }
    #expect(print(one) == print(one) && print(one) != print(other) && print(one) != print(nil))
    // Only the digest goes in, so that a large picture is read once.
    #expect(order(one).fingerprintBytes { _ in [7] }.count < 100)
    let login = { IdentityV1.LoginRequest(mobile: "9000000001", password: $0) }
    #expect(login("a").fingerprintBytes { $0 } == login("b").fingerprintBytes { $0 })
  }
}
