import Kernel
import OrderMemory
import Testing

@testable import OrderDomain

/// Two drivers of one saga, one of which stalls: what the other decides counts, for both callers.
private struct Harness: Sendable {
  let store = InMemoryOrderStore()
  let slots: FakeSlots
  let wallet: FakeWallet
  let clock = ManualClock(.start.plus(.seconds(30 * 86_400)))

  init(free: Int = 100, balance: Int64 = 1_000_000) {
    slots = FakeSlots(free: free)
    wallet = FakeWallet(balance: balance)
  }

  var runner: SagaRunner {
    SagaRunner(
      store: store, slots: slots, funds: wallet, answers: PlainAnswers(), clock: clock,
      pause: { _ in await Task.yield() })
  }

  func order() async throws -> Order { try #require(await store.stored(Make.orderID)) }

  /// What a repeat of the call does, from another process.
  func takeOver() async throws -> Order { try #require(try await runner.claim(try await order())) }

  func openCreation(replacing preOrder: Order? = nil) async throws -> Order {
    let order = try Make.stub(request: Make.key("CreateOrder"), replacing: preOrder, at: clock.now())
    #expect(
      try await store.open(order, replacing: preOrder, proofs: [Make.proof()], limits: VelocityLimits())
        == .committed)
    return order
  }

  /// W13 of an approved order that has its slot.
  func beginSettlement() async throws -> Order {
    let order = try Make.approved()
    await store.place(order)
    try await slots.reserve(for: order, as: .system)
    return try await beginSettlement(of: order)
  }

  func beginSettlement(of order: Order) async throws -> Order {
    let verdict = try SettlementRules.decide(
      SettlementRequest(mode: .wallet, ref: nil, overrideCooling: false), on: order, by: Make.viewer(.agency),
      actor: Make.actor(.agency), parties: Make.parties(), openTickets: [], key: Make.key("SettleOrder"),
      now: clock.now())
    guard case .settle(let change) = verdict else { throw Failure(.internalError, "not settled") }
    guard await store.commit(change, .none) == .committed else { throw Failure(.orderStateMismatch, "lost") }
    return change.after
  }
}

private func code(_ body: () async throws -> Void) async -> ErrorCode? {
  do {
    try await body()
    return nil
  } catch { return (error as? Failure)?.code }
}

/// Adds up the pauses that nobody makes.
private actor Patience {
  private(set) var waited = Duration.zero
  func wait(_ span: Duration) { waited += span }
}

@Suite("Drivers that were overtaken")
struct OvertakenDriverTests {
  // Goal: whoever repeats a call gets its result, if it comes in time. Method: it never comes; pauses are added up.
  @Test("a call waits for another driver of its saga as long as its caller does, and says then that it does not know")
  func patience() async throws {
    let harness = Harness()
    let order = try await harness.beginSettlement()
    for (deadline, expected) in [(nil, 3), (Deadline.after(.seconds(100)), 89), (Deadline.after(.zero), 0)] {
      let patience = Patience()
      let runner = SagaRunner(
        store: harness.store, slots: harness.slots, funds: harness.wallet, answers: PlainAnswers(),
        clock: harness.clock, pause: { await patience.wait($0) })
      let refusal = await code {
        try await Deadline.$current.withValue(deadline) { _ = try await runner.awaitEnd(of: order) }
      }
      #expect(refusal == .serviceUnavailable)
      let waited = await patience.waited
      // Nine tenths of the caller's time.
      #expect(waited >= .seconds(expected) && waited <= .seconds(expected + 1))
    }
  }

  @Test(
    "a settlement that another driver ended with a refusal ends with it for the first caller too",
    arguments: [false, true])
  func settlementRefused(silent: Bool) async throws {
    let harness = Harness(balance: 0)
    let order = try await harness.beginSettlement()
    await harness.slots.delay("consume") {
      let claimed = try await harness.takeOver()
      #expect(await code { _ = try await SettleOrderSaga(harness.runner).drive(claimed) } == .insufficientFunds)
    }
    // The first caller's own message is the second one to arrive, or it is lost.
    if silent { await harness.slots.fail("consume", call: 1, .requestLost) }
    #expect(await code { _ = try await SettleOrderSaga(harness.runner).drive(order) } == .insufficientFunds)
    #expect(try await harness.order().workflowStatus == .approved)
  }

  @Test(
    "a creation that another driver ended with a refusal ends with it for the first caller too",
    arguments: [false, true])
  func creationRefused(silent: Bool) async throws {
    let harness = Harness(free: 0)
    let order = try await harness.openCreation()
    await harness.slots.delay("reserve") {
      let claimed = try await harness.takeOver()
      #expect(await code { _ = try await CreateOrderSaga(harness.runner).drive(claimed) } == .soldOut)
      // A slot that becomes free now comes too late: the order is given up.
      await harness.slots.setFree(1)
    }
    if silent { await harness.slots.fail("reserve", call: 1, .requestLost) }
    #expect(await code { _ = try await CreateOrderSaga(harness.runner).drive(order) } == .soldOut)
    #expect(await harness.store.order(order.id) == nil)
  }

  @Test("a creation that another driver made is reported by the driver that was refused")
  func creationMade() async throws {
    let harness = Harness(free: 1)
    let order = try await harness.openCreation()
    await harness.slots.delay("reserve") {
      let claimed = try await harness.takeOver()
      _ = try await CreateOrderSaga(harness.runner).drive(claimed)
    }
    await harness.slots.fail("reserve", call: 1, .refused(.soldOut))
    let ending = try await CreateOrderSaga(harness.runner).drive(order)
    #expect(ending.observed)
    #expect(ending.order.workflowStatus == .underReview)
  }

  // The message that consumes arrives after the driver that took over was refused by wallet and gave the slot back.
  @Test("a step that arrives after its driver was overtaken does not touch the slot")
  func lateConsume() async throws {
    let harness = Harness(balance: 0)
    let order = try await harness.beginSettlement()
    let claimed = try await harness.takeOver()
    #expect(await code { _ = try await SettleOrderSaga(harness.runner).drive(claimed) } == .insufficientFunds)
    #expect(await harness.slots.states[order.id] == .held)
    try await harness.slots.consume(for: order.id, version: order.version, as: .system)
    #expect(await harness.slots.states[order.id] == .held)
    await harness.wallet.deposit(1_000_000)
    let again = try await harness.beginSettlement(of: try await harness.order())
    #expect(try await SettleOrderSaga(harness.runner).drive(again).outcome == .settled)
    #expect(await harness.slots.states[order.id] == .consumed)
    #expect(await harness.slots.versions[order.id] == again.version)
  }

  @Test("a slot that a late message has consumed at the cap is given back all the same")
  func consumedAtTheCap() async throws {
    let harness = Harness()
    let order = try await harness.beginSettlement()
    await harness.slots.setCapReached()
    await harness.slots.delay("release") {
      // The limit was raised, and the first driver's message arrives.
      await harness.slots.setCapReached(false)
      try await harness.slots.consume(for: order.id, version: order.version, as: .system)
    }
    let ending = try await SettleOrderSaga(harness.runner).drive(order)
    #expect(ending.outcome == .capExceeded)
    #expect(await harness.slots.states[order.id] == .released)
    #expect(await harness.slots.free == 100)
  }

  @Test("the last look at a given-up pre-order does not take the slot of the order that it has become")
  func lateCheckOfLivePreOrder() async throws {
    let harness = Harness(free: 0)
    let preOrder = try Make.preOrder()
    await harness.store.place(preOrder)
    let first = try await harness.openCreation(replacing: preOrder)
    #expect(await code { _ = try await CreateOrderSaga(harness.runner).drive(first) } == .soldOut)
    let givenUp = try await harness.order()
    #expect(givenUp.workflowStatus == .redirected && givenUp.slotCheckDueAt != nil)

    harness.clock.advance(by: SagaTimes.lateReservation)
    await harness.slots.setFree(1)
    await harness.slots.delay("release") {
      let second = try await harness.openCreation(replacing: try await harness.order())
      _ = try await CreateOrderSaga(harness.runner).drive(second)
    }
    try await CreateOrderSaga(harness.runner).releaseLateReservation(of: givenUp)
    #expect(await harness.slots.states[preOrder.id] == .held)
    #expect(try await harness.order().workflowStatus == .underReview)
    // And the other way round: what was read before the creation changes nothing after it.
    try await CreateOrderSaga(harness.runner).releaseLateReservation(of: givenUp)
    #expect(await harness.slots.states[preOrder.id] == .held)
  }

  @Test("a pre-order whose slot was given back for good makes room for another order")
  func spentPreOrder() async throws {
    let harness = Harness(free: 1)
    let preOrder = try Make.preOrder()
    await harness.store.place(preOrder)
    await harness.slots.fail("reserve", call: 1, .replyLost)
    let first = try await harness.openCreation(replacing: preOrder)
    #expect(await code { _ = try await CreateOrderSaga(harness.runner).drive(first) } == .serviceUnavailable)
    try await harness.slots.release(for: first.id, version: 0, reason: "by hand", as: .system)

    let claimed = try await harness.takeOver()
    #expect(await code { _ = try await CreateOrderSaga(harness.runner).drive(claimed) } == .orderStateMismatch)
    let spent = try await harness.order()
    #expect(spent.workflowStatus == .failed && !spent.claimActive && spent.externalOrderID == nil)
    let other = try Make.stub(id: OrderID(known: "0000000000000000000000a9"))
    #expect(
      try await harness.store.open(other, replacing: nil, proofs: [], limits: VelocityLimits()) == .committed)
  }

  @Test("a pre-order that got no slot forgets the purchase")
  func unbound() async throws {
    let harness = Harness(free: 0)
    let preOrder = try Make.preOrder()
    await harness.store.place(preOrder)
    let bound = try await harness.openCreation(replacing: preOrder)
    #expect(bound.total > .zero && bound.reviewerName != nil)
    #expect(await code { _ = try await CreateOrderSaga(harness.runner).drive(bound) } == .soldOut)
    let after = try await harness.order()
    #expect(after.item == preOrder.item && after.total == .zero)
    #expect(after.orderDate == nil && after.soldBy == nil && after.extractedProductName == nil)
    #expect(after.reviewerName == nil && after.externalOrderID == nil && after.proofs.isEmpty)
    #expect(await harness.store.proofs.isEmpty)
  }
}
