import CampaignDomain
import Kernel
import Testing

/// One suite for every implementation, so that the one in memory cannot promise what MongoDB does not keep.
@Suite("The campaign store's contract")
struct CampaignStoreTests {
  private let mediator = CampaignFixture.mediator

  @Test("a claim is kept, counted and answered again", arguments: StoreKind.available)
  func reserve(kind: StoreKind) async throws {
    try await kind.withCampaignStore { store in
      try await store.insertMissing(CampaignFixture.catalog(total: 3, limit: 2, quota: 2))
      let claim = CampaignFixture.claim(order: 1)
      let first = try await store.apply(.reserve(claim), requestID: "r-1", at: CampaignFixture.later)
      #expect(!first.replayed)
      #expect(first.reservation.state == .held)
      let again = try await store.apply(.reserve(claim), requestID: "r-2", at: CampaignFixture.later)
      #expect(again == SlotOutcome(reservation: first.reservation, replayed: true))
      #expect(try await store.reservation(of: claim.orderID) == first.reservation)

      let book = try await store.book(for: CampaignFixture.claim(order: 2))
      let campaign = try #require(book.campaign)
      #expect(campaign.usedSlots == 1)
      #expect(campaign.hasOrders)
      #expect(campaign.lock == CampaignLock(reason: .firstOrder, at: CampaignFixture.later))
      #expect(campaign.version == 1)
      #expect(book.assignments.map(\.usedSlots) == [1, 1])
    }
  }

  @Test("the whole life of a slot leaves true counters", arguments: StoreKind.available)
  func life(kind: StoreKind) async throws {
    try await kind.withCampaignStore { store in
      try await store.insertMissing(CampaignFixture.catalog(total: 3, limit: 2, quota: 0))
      let claim = CampaignFixture.claim(order: 1)
      let order = claim.orderID
      let steps: [(SlotCommand, Reservation.State, used: Int64, settled: Int64)] = [
        (.reserve(claim), .held, 1, 0), (.consume(order), .consumed, 1, 1), (.unconsume(order), .held, 1, 0),
        (.consume(order), .consumed, 1, 1), (.unconsume(order), .held, 1, 0),
        (.release(order, reason: "W12"), .released, 0, 0),
      ]
      for (command, state, used, settled) in steps {
        for replayed in [false, true] {
          let outcome = try await store.apply(command, requestID: nil, at: CampaignFixture.later)
          #expect(outcome.replayed == replayed, "\(command)")
          #expect(outcome.reservation.state == state, "\(command)")
        }
        let book = try await store.book(for: claim)
        #expect(book.campaign?.usedSlots == used, "\(command)")
        #expect(book.assignments.map(\.usedSlots) == [used, used], "\(command)")
        #expect(book.assignments.map(\.settledSlots) == [settled, settled], "\(command)")
      }
      #expect(try await store.reservation(of: order)?.releasedReason == "W12")
      await expectFailure(.orderStateMismatch) {
        _ = try await store.apply(.reserve(claim), requestID: nil, at: CampaignFixture.later)
      }
    }
  }

  @Test("refusals change nothing", arguments: StoreKind.available)
  func refusals(kind: StoreKind) async throws {
    try await kind.withCampaignStore { store in
      try await store.insertMissing(CampaignFixture.catalog(total: 1, limit: 1, quota: 0))
      let now = CampaignFixture.later
      _ = try await store.apply(.reserve(CampaignFixture.claim(order: 1)), requestID: nil, at: now)
      await expectFailure(.soldOut) {
        _ = try await store.apply(.reserve(CampaignFixture.claim(order: 2)), requestID: nil, at: now)
      }
      await expectFailure(.campaignNotFound) {
        _ = try await store.apply(.reserve(CampaignFixture.claim(order: 3, campaign: 77)), requestID: nil, at: now)
      }
      await expectFailure(.idempotencyMismatch) {
        _ = try await store.apply(.reserve(CampaignFixture.claim(order: 1, campaign: 77)), requestID: nil, at: now)
      }
      let unknown: OrderID = CampaignFixture.id(9)
      for command in [SlotCommand.consume(unknown), .unconsume(unknown), .release(unknown, reason: "W4")] {
        await expectFailure(.reservationNotFound) {
          _ = try await store.apply(command, requestID: nil, at: now)
        }
      }
      #expect(try await store.reservation(of: CampaignFixture.id(2)) == nil)
      let book = try await store.book(for: CampaignFixture.claim(order: 2))
      #expect(book.campaign?.usedSlots == 1)
      #expect(book.campaign?.version == 1)
    }
  }

  // Goal: the last slot has one winner. Method: all claims at once; the store may not lose one to contention either,
  // so every loser must hear that the slots are gone and nothing else.
  @Test("fifty concurrent claims of ten slots make exactly ten reservations", arguments: StoreKind.available)
  func concurrentClaims(kind: StoreKind) async throws {
    try await kind.withCampaignStore { store in
      try await store.insertMissing(CampaignFixture.catalog(total: 10, limit: 0, quota: 0))
      let answers = await Self.claims(1...50, of: store)
      #expect(answers.count { $0 == nil } == 10)
      #expect(answers.count { $0 == .soldOut } == 40)
      let book = try await store.book(for: CampaignFixture.claim(order: 99))
      #expect(book.campaign?.usedSlots == 10)
      #expect(book.campaign?.version == 10)
      var held = 0
      for order in 1...50 where try await store.reservation(of: CampaignFixture.id(order)) != nil { held += 1 }
      #expect(held == 10)
    }
  }

  @Test("a partner's share is exact under concurrency", arguments: StoreKind.available)
  func concurrentShare(kind: StoreKind) async throws {
    try await kind.withCampaignStore { store in
      try await store.insertMissing(CampaignFixture.catalog(total: 100, limit: 3, quota: 0))
      let answers = await Self.claims(1...20, of: store)
      #expect(answers.count { $0 == nil } == 3)
      #expect(answers.count { $0 == .soldOutForPartner } == 17)
      #expect(try await store.book(for: CampaignFixture.claim(order: 99)).campaign?.usedSlots == 3)
    }
  }

  @Test("one order that asks twenty times at once gets one slot", arguments: StoreKind.available)
  func concurrentRepeats(kind: StoreKind) async throws {
    try await kind.withCampaignStore { store in
      try await store.insertMissing(CampaignFixture.catalog(total: 10, limit: 0, quota: 0))
      let outcomes = try await withThrowingTaskGroup(of: SlotOutcome.self) { group in
        for _ in 1...20 {
          group.addTask {
            try await store.apply(.reserve(CampaignFixture.claim(order: 1)), requestID: nil, at: CampaignFixture.later)
          }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(outcomes.count { !$0.replayed } == 1)
      #expect(Set(outcomes.map(\.reservation)).count == 1)
      #expect(try await store.book(for: CampaignFixture.claim(order: 1)).campaign?.usedSlots == 1)
    }
  }

  // Method: the message of a stalled driver arrives after the one that took over has consumed and given back.
  @Test("a step that was overtaken changes nothing and is answered as a repeat", arguments: StoreKind.available)
  func overtaken(kind: StoreKind) async throws {
    try await kind.withCampaignStore { store in
      try await store.insertMissing(CampaignFixture.catalog(total: 3, limit: 2, quota: 0))
      let claim = CampaignFixture.claim(order: 1)
      let order = claim.orderID
      func step(_ command: SlotCommand, _ version: Int64) async throws -> SlotOutcome {
        try await store.apply(SlotStep(command, orderVersion: version), by: .system, at: CampaignFixture.later)
      }
      _ = try await step(.reserve(claim), 1)
      #expect(try await step(.consume(order), 6).reservation.orderVersion == 6)
      #expect(try await step(.consume(order), 8) == step(.consume(order), 8))
      #expect(try await store.reservation(of: order)?.orderVersion == 8)
      #expect(try await step(.unconsume(order), 7).replayed)
      #expect(try await store.reservation(of: order)?.state == .consumed)
      #expect(try await !step(.unconsume(order), 9).replayed)
      for late in [SlotCommand.consume(order), .release(order, reason: "late")] {
        let outcome = try await step(late, 5)
        #expect(outcome.replayed)
        #expect(outcome.reservation.state == .held)
      }
      let book = try await store.book(for: claim)
      #expect(book.assignments.map(\.settledSlots) == [0, 0])
      #expect(book.campaign?.usedSlots == 1)
    }
  }

  @Test("held reservations come oldest first, page by page, and nothing else comes", arguments: StoreKind.available)
  func heldReservations(kind: StoreKind) async throws {
    try await kind.withCampaignStore { store in
      try await store.insertMissing(CampaignFixture.catalog(total: 20, limit: 0, quota: 0))
      // Three of each second, so that the id decides; the last one is too young.
      for number in 0..<8 {
        let at = CampaignFixture.start.advanced(by: .seconds(number / 3))
        _ = try await store.apply(.reserve(CampaignFixture.claim(order: number + 1)), requestID: nil, at: at)
      }
      _ = try await store.apply(.consume(CampaignFixture.id(2)), requestID: nil, at: CampaignFixture.later)
      _ = try await store.apply(
        .release(CampaignFixture.id(4), reason: "W4"), requestID: nil, at: CampaignFixture.later)
      let moment = CampaignFixture.start.advanced(by: .seconds(2))
      var seen: [Reservation] = []
      var after: Cursor?
      for _ in 0..<4 {
        let request = try PageRequest(
          size: 1, cursor: after?.text(filters: []) ?? "", includeTotal: false, filters: [])
        let page = try await store.heldReservations(before: moment, page: request)
        seen += page.items
        after = page.next
      }
      #expect(after == nil)
      #expect(Set(seen.map(\.orderID)) == Set([1, 3, 5, 6].map { CampaignFixture.id($0) }))
      #expect(seen.map(\.createdAt) == seen.map(\.createdAt).sorted())
    }
  }

  @Test("inserting again changes nothing, counters included", arguments: StoreKind.available)
  func insertMissing(kind: StoreKind) async throws {
    try await kind.withCampaignStore { store in
      let catalog = CampaignFixture.catalog(total: 5, limit: 5, quota: 0)
      try await store.insertMissing(catalog)
      let claim = CampaignFixture.claim(order: 1)
      _ = try await store.apply(.reserve(claim), requestID: nil, at: CampaignFixture.later)
      let before = try await store.book(for: claim)
      try await store.insertMissing(catalog)
      #expect(try await store.book(for: claim) == before)
    }
  }

  @Test("an offer holds the deal, its campaign and the partners' assignments", arguments: StoreKind.available)
  func offer(kind: StoreKind) async throws {
    try await kind.withCampaignStore { store in
      let catalog = CampaignFixture.catalog(total: 5, limit: 5, quota: 7)
      try await store.insertMissing(catalog)
      let deal = try #require(catalog.deals.first)
      let offer = try #require(
        try await store.offer(deal.id, mediator: mediator, agency: CampaignFixture.agency))
      #expect(offer.deal == deal)
      #expect(offer.campaign == catalog.campaigns.first)
      #expect(Set(offer.assignments) == Set(catalog.assignments))
      #expect(try await store.offer(CampaignFixture.id(55), mediator: mediator, agency: mediator) == nil)
    }
  }

  private static func claims(_ orders: ClosedRange<Int>, of store: any CampaignStore) async -> [ErrorCode?] {
    await withTaskGroup(of: ErrorCode?.self) { group in
      for order in orders {
        group.addTask {
          do {
            let claim = CampaignFixture.claim(order: order)
            _ = try await store.apply(.reserve(claim), requestID: nil, at: CampaignFixture.later)
            return nil
          } catch let failure as Failure {
            return failure.code
          } catch {
            return .internalError
          }
        }
      }
      return await group.reduce(into: []) { $0.append($1) }
    }
  }
}

/// Expects the refusal with exactly this code.
private func expectFailure(
  _ code: ErrorCode, sourceLocation: SourceLocation = #_sourceLocation, _ work: () async throws -> Void
) async {
  do {
    try await work()
    Issue.record("accepted, where \(code.rawValue) was expected", sourceLocation: sourceLocation)
  } catch let failure as Failure {
    #expect(failure.code == code, sourceLocation: sourceLocation)
  } catch {
    Issue.record("\(error), where \(code.rawValue) was expected", sourceLocation: sourceLocation)
  }
}
