import Kernel
import OrderDomain
import Testing

private let start = OrderFixture.start

/// One suite for every implementation, so that the one in memory cannot promise what MongoDB does not keep.
@Suite("The order store's contract")
struct OrderStoreTests {
  private func code(_ body: () async throws -> Void) async -> ErrorCode? {
    do {
      try await body()
      return nil
    } catch { return Failure.visible(error).code }
  }

  @Test("an order comes back as it was stored", arguments: StoreKind.available)
  func roundTrip(kind: StoreKind) async throws {
    try await kind.withOrderStore { store in
      let stub = try OrderFixture.stub(1, request: OrderFixture.key("r-1"))
      let opened = try await store.open(
        stub, replacing: nil, proofs: [OrderFixture.proof(of: stub.id)], limits: VelocityLimits())
      #expect(opened == .committed)
      #expect(try await store.order(stub.id) == stub)
      let change = try Creation.confirm(stub, now: start.advanced(by: .milliseconds(1)))
      #expect(try await store.commit(change, .none) == .committed)
      #expect(try await store.order(stub.id) == change.after)
      #expect(try await store.order(OrderFixture.id(99)) == nil)
    }
  }

  @Test("every part of an order survives storage", arguments: StoreKind.available)
  func everyPart(kind: StoreKind) async throws {
    try await kind.withOrderStore { store in
      let order = try await OrderFixture.reviewed(1, in: store)
      var full = OrderChange(order, by: OrderFixture.actor, at: start)
      full.fillForTests(at: start)
      #expect(try await store.commit(full, .none) == .committed)
      #expect(try await store.order(order.id) == full.after)
    }
  }

  @Test("a change of an order that somebody else has changed is lost", arguments: StoreKind.available)
  func lostRace(kind: StoreKind) async throws {
    try await kind.withOrderStore { store in
      let order = try await OrderFixture.reviewed(1, in: store)
      let first = try #require(try Review.verifyPurchase(order, by: OrderFixture.actor, now: start).change)
      let second = try #require(try Review.verifyPurchase(order, by: .system, now: start).change)
      #expect(try await store.commit(first, .none) == .committed)
      #expect(try await store.commit(second, .answer(OrderFixture.key("r-2"), .response([1]))) == .lost)
      #expect(try await store.order(order.id) == first.after)
      #expect(try await store.recall(OrderFixture.key("r-2"), at: start) == .unknown)
    }
  }

  @Test("of many changes at once one is committed", arguments: StoreKind.available)
  func parallelCommits(kind: StoreKind) async throws {
    try await kind.withOrderStore { store in
      let order = try await OrderFixture.reviewed(1, in: store)
      let results = try await withThrowingTaskGroup(of: CommitResult.self) { group in
        for index in 0..<8 {
          group.addTask {
            let actor = Actor(id: OrderFixture.shopperID.rawValue, roles: [], requestID: "\(index)")
            let result = try Review.verifyPurchase(order, by: actor, now: start)
            return try await store.commit(#require(result.change), .none)
          }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(results.count { $0 == .committed } == 1)
      #expect(try await store.order(order.id)?.version == order.version + 1)
    }
  }

  @Test("a shopper has one live order per deal", arguments: StoreKind.available)
  func uniqueClaim(kind: StoreKind) async throws {
    try await kind.withOrderStore { store in
      let first = try OrderFixture.stub(1, deal: 0xd1)
      let limits = VelocityLimits()
      #expect(try await store.open(first, replacing: nil, proofs: [], limits: limits) == .committed)
      let second = try OrderFixture.stub(2, deal: 0xd1)
      #expect(
        await code { _ = try await store.open(second, replacing: nil, proofs: [], limits: limits) }
          == .duplicateDealOrder)
      let other = try OrderFixture.stub(3, deal: 0xd1, shopper: OrderFixture.id(0xa2))
      #expect(try await store.open(other, replacing: nil, proofs: [], limits: limits) == .committed)
      let gone = try Creation.abandon(first, now: start)
      #expect(try await store.commit(gone, .none) == .committed)
      #expect(try await store.order(first.id) == nil)
      #expect(try await store.open(second, replacing: nil, proofs: [], limits: limits) == .committed)
    }
  }

  @Test("a marketplace order is claimed once by everybody together", arguments: StoreKind.available)
  func uniqueExternalID(kind: StoreKind) async throws {
    try await kind.withOrderStore { store in
      let limits = VelocityLimits()
      let opened = await withTaskGroup(of: CommitResult?.self) { group in
        for number in 1...6 {
          group.addTask {
            let shopper: UserID = OrderFixture.id(0xa0 + number)
            guard let stub = try? OrderFixture.stub(number, externalID: "SAME-1", shopper: shopper) else { return nil }
            return try? await store.open(stub, replacing: nil, proofs: [], limits: limits)
          }
        }
        return await group.reduce(into: []) { $0.append($1) }
      }
      #expect(opened.count { $0 == .committed } == 1)
      let late = try OrderFixture.stub(9, externalID: "same - 1")
      #expect(
        await code { _ = try await store.open(late, replacing: nil, proofs: [], limits: limits) }
          == .duplicateExternalOrderId)
    }
  }

  @Test("twenty creations of one shopper at once make exactly ten orders", arguments: StoreKind.available)
  func velocity(kind: StoreKind) async throws {
    try await kind.withOrderStore { store in
      let answers = await withTaskGroup(of: ErrorCode?.self) { group in
        for number in 1...20 {
          group.addTask {
            await code {
              let stub = try OrderFixture.stub(number)
              _ = try await store.open(stub, replacing: nil, proofs: [], limits: VelocityLimits())
              _ = try await store.commit(try Creation.confirm(stub, now: start), .none)
            }
          }
        }
        return await group.reduce(into: []) { $0.append($1) }
      }
      #expect(answers.count { $0 == nil } == 10)
      #expect(answers.count { $0 == .velocityLimit } == 10)
      let later = try OrderFixture.stub(30, at: start.advanced(by: .seconds(3_600)))
      #expect(
        try await store.open(later, replacing: nil, proofs: [], limits: VelocityLimits()) == .committed)
    }
  }

  @Test("a refused creation gives its place in the window back", arguments: StoreKind.available)
  func velocityGivenBack(kind: StoreKind) async throws {
    try await kind.withOrderStore { store in
      let limits = VelocityLimits(hourly: 1, daily: 30)
      let stub = try OrderFixture.stub(1)
      #expect(try await store.open(stub, replacing: nil, proofs: [], limits: limits) == .committed)
      let next = try OrderFixture.stub(2)
      #expect(
        await code { _ = try await store.open(next, replacing: nil, proofs: [], limits: limits) } == .velocityLimit)
      #expect(try await store.commit(try Creation.abandon(stub, now: start), .none) == .committed)
      #expect(try await store.open(next, replacing: nil, proofs: [], limits: limits) == .committed)
    }
  }

  @Test("an answer is remembered for its key and for nothing else", arguments: StoreKind.available)
  func memory(kind: StoreKind) async throws {
    try await kind.withOrderStore { store in
      let key = OrderFixture.key("r-1")
      #expect(try await store.recall(key, at: start) == .unknown)
      let stub = try OrderFixture.stub(1, request: key)
      #expect(try await store.open(stub, replacing: nil, proofs: [], limits: VelocityLimits()) == .committed)
      #expect(try await store.recall(key, at: start) == .pending)
      #expect(try await store.openCreation(for: key)?.id == stub.id)
      #expect(try await store.openCreation(for: OrderFixture.key("r-2")) == nil)
      let twin = try OrderFixture.stub(2, request: key)
      #expect(try await store.open(twin, replacing: nil, proofs: [], limits: VelocityLimits()) == .lost)
      #expect(
        await code { _ = try await store.recall(OrderFixture.key("r-1", fingerprint: "f2"), at: start) }
          == .idempotencyMismatch)

      let confirmed = try Creation.confirm(stub, now: start)
      #expect(try await store.commit(confirmed, .answer(key, .response([1, 2]))) == .committed)
      #expect(try await store.recall(key, at: start) == .answered(.response([1, 2])))
      let held = Review.recordHold(.held, on: confirmed.after, now: start)
      #expect(try await store.commit(held, .answer(key, .response([3]))) == .committed)
      #expect(try await store.recall(key, at: start) == .answered(.response([3])))
      #expect(try await store.openCreation(for: key) == nil)

      let refusal = RequestAnswer.failure(Refusal(code: .frozenDispute, message: "a ticket is open"))
      try await store.remember(OrderFixture.key("r-3"), refusal, at: start)
      #expect(try await store.recall(OrderFixture.key("r-3"), at: start) == .answered(refusal))
    }
  }

  @Test("a saga that came to nothing is forgotten", arguments: StoreKind.available)
  func forget(kind: StoreKind) async throws {
    try await kind.withOrderStore { store in
      let key = OrderFixture.key("r-1")
      let stub = try OrderFixture.stub(1, request: key)
      #expect(try await store.open(stub, replacing: nil, proofs: [], limits: VelocityLimits()) == .committed)
      #expect(try await store.commit(try Creation.abandon(stub, now: start), .forget(key)) == .committed)
      #expect(try await store.recall(key, at: start) == .unknown)
    }
  }

  @Test("a picture finds the other order that carries it", arguments: StoreKind.available)
  func duplicates(kind: StoreKind) async throws {
    try await kind.withOrderStore { store in
      let stub = try OrderFixture.stub(1)
      let proof = OrderFixture.proof(of: stub.id, digest: "same")
      #expect(try await store.open(stub, replacing: nil, proofs: [proof], limits: VelocityLimits()) == .committed)
      #expect(try await store.order(withProof: "same", otherThan: OrderFixture.id(2)) == stub.id)
      #expect(try await store.order(withProof: "same", otherThan: stub.id) == nil)
      #expect(try await store.order(withProof: "other", otherThan: OrderFixture.id(2)) == nil)
    }
  }

  @Test("an order that nothing came of leaves no picture behind", arguments: StoreKind.available)
  func picturesOfNothing(kind: StoreKind) async throws {
    try await kind.withOrderStore { store in
      let (stub, other) = (try OrderFixture.stub(1), try OrderFixture.stub(2))
      for order in [stub, other] {
        let proofs = [OrderFixture.proof(of: order.id, digest: "of \(order.id)")]
        #expect(try await store.open(order, replacing: nil, proofs: proofs, limits: VelocityLimits()) == .committed)
      }
      let gone = try Creation.abandon(stub, now: start)
      #expect(try await store.commit(gone, .none) == .committed)
      #expect(try await store.anyOrder(stub.id) == gone.after)
      #expect(gone.after.proofs.isEmpty && gone.after.proofVerdicts.isEmpty)
      #expect(try await store.order(withProof: "of \(stub.id)", otherThan: OrderFixture.id(9)) == nil)
      #expect(try await store.order(withProof: "of \(other.id)", otherThan: OrderFixture.id(9)) == other.id)
      // A change that is lost deletes nothing either.
      let confirmed = try Creation.confirm(other, now: start)
      #expect(try await store.commit(confirmed, .none) == .committed)
      #expect(try await store.commit(try Creation.abandon(other, now: start), .none) == .lost)
      #expect(try await store.order(withProof: "of \(other.id)", otherThan: OrderFixture.id(9)) == other.id)
    }
  }

  @Test("a pre-order that got no slot is what it was before", arguments: StoreKind.available)
  func unboundPreOrder(kind: StoreKind) async throws {
    try await kind.withOrderStore { store in
      let preOrder = try OrderFixture.preOrder(1)
      #expect(try await store.open(preOrder, replacing: nil, proofs: [], limits: VelocityLimits()) == .committed)
      let bound = try OrderFixture.stub(1, replacing: preOrder)
      let proofs = [OrderFixture.proof(of: bound.id, digest: "bound")]
      #expect(try await store.open(bound, replacing: preOrder, proofs: proofs, limits: VelocityLimits()) == .committed)
      #expect(try await store.order(bound.id) == bound)

      let refusal = Failure(.soldOut, "no slot is left")
      let unbound = try Creation.abandon(bound, because: refusal, now: start)
      #expect(try await store.commit(unbound, .none) == .committed)
      let stored = try #require(try await store.order(bound.id))
      #expect(stored == unbound.after)
      #expect(stored.workflowStatus == .redirected && stored.claimActive)
      #expect(stored.externalOrderID == nil && stored.total == .zero && stored.item == preOrder.item)
      #expect(stored.soldBy == nil && stored.orderDate == nil && stored.reviewerName == nil)
      #expect(stored.sagaRefusal?.refusal.code == .soldOut)
      #expect(try await store.order(withProof: "bound", otherThan: OrderFixture.id(9)) == nil)
    }
  }

  @Test("orders that wait for money are found page by page, those of one moment too", arguments: StoreKind.available)
  func holdPages(kind: StoreKind) async throws {
    try await kind.withOrderStore { store in
      // Three of each second, so that the id decides between them.
      for number in 1...8 {
        let order = try await OrderFixture.reviewed(number, in: store)
        var approved = OrderChange(order, by: .system, at: start.advanced(by: .seconds(number / 3)))
        approved.approveForTests()
        #expect(try await store.commit(approved, .none) == .committed)
      }
      var seen: [OrderID] = []
      var place: ApprovalPlace?
      let later = start.advanced(by: .seconds(60))
      for _ in 0..<5 {
        let page = try await store.orders(awaiting: .requested, changedBefore: later, after: place, limit: 2)
        seen += page.map(\.id)
        place = page.last.map { ApprovalPlace($0) } ?? place
      }
      #expect(seen == (1...8).map { OrderFixture.id($0) })
    }
  }

  @Test("what became of orders is told for deleted ones too, and for nobody else's", arguments: StoreKind.available)
  func fates(kind: StoreKind) async throws {
    try await kind.withOrderStore { store in
      let live = try await OrderFixture.reviewed(1, in: store)
      let stub = try OrderFixture.stub(2)
      #expect(try await store.open(stub, replacing: nil, proofs: [], limits: VelocityLimits()) == .committed)
      let later = start.advanced(by: .seconds(5))
      #expect(try await store.commit(try Creation.abandon(stub, now: later), .none) == .committed)
      let fates = try await store.fates(of: [live.id, stub.id, OrderFixture.id(99)])
      #expect(
        fates == [
          live.id: OrderFate(status: .underReview, changedAt: start, version: live.version),
          stub.id: OrderFate(status: .failed, changedAt: later, version: stub.version + 1),
        ])
      #expect(try await store.fates(of: []).isEmpty)
    }
  }

  @Test("the reconciler finds what is due, and nothing else", arguments: StoreKind.available)
  func sweeps(kind: StoreKind) async throws {
    try await kind.withOrderStore { store in
      let stub = try OrderFixture.stub(1)
      #expect(try await store.open(stub, replacing: nil, proofs: [], limits: VelocityLimits()) == .committed)
      let after = start.advanced(by: .milliseconds(1))
      #expect(try await store.abandonedSagas(before: start, limit: 10).isEmpty)
      #expect(try await store.abandonedSagas(before: after, limit: 10).map(\.id) == [stub.id])
      #expect(try await store.commit(try Creation.abandon(stub, now: start), .none) == .committed)
      #expect(try await store.abandonedSagas(before: after, limit: 10).isEmpty)
      let due = start.advanced(by: SagaTimes.lateReservation)
      #expect(try await store.lateReservationChecks(dueBy: due.advanced(by: .milliseconds(-1)), limit: 10).isEmpty)
      #expect(try await store.lateReservationChecks(dueBy: due, limit: 10).map(\.id) == [stub.id])

      var order = try await OrderFixture.reviewed(2, in: store)
      var approved = OrderChange(order, by: .system, at: start)
      approved.approveForTests()
      #expect(try await store.commit(approved, .none) == .committed)
      order = approved.after
      #expect(try await store.orders(awaiting: .requested, changedBefore: start, after: nil, limit: 10).isEmpty)
      #expect(
        try await store.orders(awaiting: .requested, changedBefore: after, after: nil, limit: 10).map(\.id)
          == [order.id])
      #expect(try await store.orders(awaiting: .unfunded, changedBefore: after, after: nil, limit: 10).isEmpty)
    }
  }
}
