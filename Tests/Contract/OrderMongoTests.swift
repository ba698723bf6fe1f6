import Kernel
import Mongo
import OrderDomain
import OrderStorage
import TestKit
import Testing

@Suite("Orders in MongoDB", .enabled(if: TestMongo.isAvailable, "needs MONGODB_URI"))
struct OrderMongoTests {
  private static let start = OrderFixture.start

  /// One connection, so that the transaction whose commit never came ends with the next one of its session.
  private func withStore(_ body: (MongoOrderStore, TestMongo) async throws -> Void) async throws {
    try await TestMongo.withMongo(
      "order", configure: { $0.poolMax = 1 }
    ) { mongo in
      let name = mongo.database.name
      _ = try await TestMongo.asOperator { try await MigrationRunner($0.renamed(name), OrderMigrations.all).up() }
      try await body(MongoOrderStore(mongo.database), mongo)
    }
  }

  // The pre-order is there before and after, so that its id tells nothing about the commit.
  @Test("a pre-order whose binding never reached the database is not taken for bound")
  func bindingLost() async throws {
    try await withStore { store, mongo in
      let preOrder = try OrderFixture.preOrder(1)
      #expect(try await store.open(preOrder, replacing: nil, proofs: [], limits: VelocityLimits()) == .committed)
      let bound = try OrderFixture.stub(1, replacing: preOrder)
      let never = FailPoint.Effect.error(code: 64, labels: ["UnknownTransactionCommitResult"])
      let failure = await #expect(throws: MongoFailure.self) {
        try await FailPoint(["commitTransaction"], never, times: nil).active(for: mongo) {
          _ = try await store.open(bound, replacing: preOrder, proofs: [], limits: VelocityLimits())
        }
      }
      #expect(failure == .unknownCommitResult)
      #expect(try await store.order(bound.id) == preOrder)
      #expect(try await store.open(bound, replacing: preOrder, proofs: [], limits: VelocityLimits()) == .committed)
    }
  }

  @Test("a pre-order whose binding is there, although nobody could say so, is taken for bound")
  func bindingFound() async throws {
    try await withStore { store, mongo in
      let preOrder = try OrderFixture.preOrder(1)
      #expect(try await store.open(preOrder, replacing: nil, proofs: [], limits: VelocityLimits()) == .committed)
      let bound = try OrderFixture.stub(1, replacing: preOrder)
      let unclear = FailPoint.Effect.writeConcernError(code: 64, labels: ["UnknownTransactionCommitResult"])
      let opened = try await FailPoint(["commitTransaction"], unclear, times: nil).active(for: mongo) {
        try await store.open(bound, replacing: preOrder, proofs: [], limits: VelocityLimits())
      }
      #expect(opened == .committed)
      #expect(try await store.order(bound.id) == bound)
    }
  }

  @Test(
    "the pages of orders that wait for money come from one index, in its order",
    arguments: [FundsHold.requested, .unfunded])
  func holdIndex(hold: FundsHold) async throws {
    try await withStore { store, mongo in
      let order = try await OrderFixture.reviewed(1, in: store)
      var approved = OrderChange(order, by: .system, at: Self.start)
      approved.approveForTests()
      #expect(try await store.commit(approved, .none) == .committed)
      let place = ApprovalPlace(approved.after)
      let later = Self.start.advanced(by: .seconds(60))
      let plans = try await TestMongo.plans(of: "orders", mongo) {
        _ = try await store.orders(awaiting: hold, changedBefore: later, after: nil, limit: 10)
        _ = try await store.orders(awaiting: hold, changedBefore: later, after: place, limit: 10)
      }
      #expect(plans.count == 2)
      for plan in plans {
        try TestMongo.expect(plan, uses: "IXSCAN { approvedAt: 1, _id: 1 }")
      }
    }
  }
}

extension TestMongo {
  /// The index alone, perhaps in two ranges that are merged, and nothing sorted in memory.
  static func expect(_ plan: BSONDocument, uses scan: String) throws {
    let summary = try plan.string("planSummary")
    #expect([scan, "\(scan), \(scan)"].contains(summary))
    #expect(!plan.has("hasSortStage"))
  }

  /// How the server answered what `work` asked for, as its profiler tells it.
  static func plans(
    of collection: String, _ mongo: TestMongo, _ work: () async throws -> Void
  ) async throws -> [BSONDocument] {
    _ = try await mongo.database.run { try $0.command(["profile": 2]) }
    try await work()
    return try await mongo.database.run { connection in
      try connection.command(["profile": 0])
      return try connection.find("system.profile", ["op": "query", "command.find": .string(collection)])
    }
  }
}
