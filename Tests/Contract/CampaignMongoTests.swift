import CampaignDomain
import CampaignStorage
import Kernel
import Mongo
import TestKit
import Testing

@Suite("Campaigns in MongoDB", .enabled(if: TestMongo.isAvailable, "needs MONGODB_URI"))
struct CampaignMongoTests {
  // Goal: exactness does not rest on the turns inside one process. Method: three stores on one database, each with
  // turns of its own, as three replicas would have.
  @Test("three processes that fight for ten slots give away exactly ten")
  func replicas() async throws {
    try await TestMongo.withDatabase("campaign", migrations: CampaignMigrations.all) { database in
      let stores = (0..<3).map { _ in MongoCampaignStore(database) }
      try await stores[0].insertMissing(CampaignFixture.catalog(total: 10, limit: 10, quota: 10))
      let answers = await withTaskGroup(of: ErrorCode?.self) { group in
        for order in 1...30 {
          group.addTask {
            do {
              let claim = CampaignFixture.claim(order: order)
              _ = try await stores[order % 3].apply(.reserve(claim), requestID: nil, at: CampaignFixture.later)
              return nil
            } catch let failure as Failure {
              return failure.code
            } catch {
              return .internalError
            }
          }
        }
        return await group.reduce(into: [ErrorCode?]()) { $0.append($1) }
      }
      let won = answers.count { $0 == nil }
      // A claim may lose every attempt and be sent again by its caller; nobody may hear anything else.
      #expect(answers.allSatisfy { [nil, .soldOut, .concurrentModification].contains($0) })
      let book = try await stores[0].book(for: CampaignFixture.claim(order: 99))
      #expect(book.campaign?.usedSlots == Int64(won))
      #expect(book.assignments.map(\.usedSlots) == [Int64(won), Int64(won)])
      #expect(won <= 10)
      #expect(won == 10 || answers.contains(.concurrentModification))
    }
  }

  @Test("giving a slot back leaves exactly one audit entry, and nothing else leaves any")
  func audit() async throws {
    try await TestMongo.withDatabase("campaign", migrations: CampaignMigrations.all) { database in
      let store = MongoCampaignStore(database)
      try await store.insertMissing(CampaignFixture.catalog(total: 3, limit: 3, quota: 0))
      let claim = CampaignFixture.claim(order: 1)
      let now = CampaignFixture.later
      _ = try await store.apply(.reserve(claim), requestID: "r-1", at: now)
      _ = try await store.apply(.consume(claim.orderID), requestID: "r-2", at: now)
      _ = try await store.apply(.unconsume(claim.orderID), requestID: "r-3", at: now)
      #expect(try await Self.outbox(database).isEmpty)
      for _ in 1...2 {
        _ = try await store.apply(.release(claim.orderID, reason: "W12"), requestID: "r-4", at: now)
      }
      let documents = try await Self.outbox(database)
      #expect(documents.count == 1)
      let document = try #require(documents.first)
      #expect(try document.int64("seq") == 2)
      #expect(try document.documents("messages").count == 1)
    }
  }

  @Test("a refused change leaves nothing behind, not even an audit entry")
  func refusal() async throws {
    try await TestMongo.withDatabase("campaign", migrations: CampaignMigrations.all) { database in
      let store = MongoCampaignStore(database)
      try await store.insertMissing(CampaignFixture.catalog(total: 3, limit: 3, quota: 0))
      let claim = CampaignFixture.claim(order: 1)
      let now = CampaignFixture.later
      _ = try await store.apply(.reserve(claim), requestID: nil, at: now)
      _ = try await store.apply(.consume(claim.orderID), requestID: nil, at: now)
      let before = try await store.book(for: claim)
      await #expect(throws: Failure.self) {
        _ = try await store.apply(.release(claim.orderID, reason: "W4"), requestID: nil, at: now)
      }
      #expect(try await store.book(for: claim) == before)
      #expect(try await Self.outbox(database).isEmpty)
    }
  }

  @Test("pages of held reservations come from one index, in its order")
  func heldIndex() async throws {
    try await TestMongo.withMongo("campaign", migrations: CampaignMigrations.all) { mongo in
      let store = MongoCampaignStore(mongo.database)
      try await store.insertMissing(CampaignFixture.catalog(total: 5, limit: 0, quota: 0))
      for number in 1...3 {
        _ = try await store.apply(
          .reserve(CampaignFixture.claim(order: number)), requestID: nil, at: CampaignFixture.start)
      }
      let plans = try await TestMongo.plans(of: "slot_reservations", mongo) {
        let first = try PageRequest(size: 2, cursor: "", includeTotal: false, filters: [])
        let page = try await store.heldReservations(before: CampaignFixture.later, page: first)
        let cursor = try #require(page.next).text(filters: [])
        let second = try PageRequest(size: 2, cursor: cursor, includeTotal: false, filters: [])
        #expect(try await store.heldReservations(before: CampaignFixture.later, page: second).items.count == 1)
      }
      #expect(plans.count == 2)
      for plan in plans {
        try TestMongo.expect(plan, uses: "IXSCAN { createdAt: 1, _id: 1 }")
      }
    }
  }

  private static func outbox(_ database: MongoDatabase) async throws -> [BSONDocument] {
    try await database.run { try $0.find("outbox", [:], limit: 10) }
  }
}
