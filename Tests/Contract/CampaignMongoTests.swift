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

  private static func outbox(_ database: MongoDatabase) async throws -> [BSONDocument] {
    try await database.run { try $0.find("outbox", [:], limit: 10) }
  }
}
