import Kernel
import OrderMemory
import Testing

@testable import OrderDomain

private struct Harness: Sendable {
  let store = InMemoryOrderStore()
  let slots = FakeSlots()
  let wallet: FakeWallet
  let clock = ManualClock()
  let reports = Reports()
  let reconciler: Reconciler

  init(balance: Int64 = 0) {
    let (store, slots, wallet, clock, reports) = (store, slots, FakeWallet(balance: balance), clock, reports)
    self.wallet = wallet
    let runner = SagaRunner(
      store: store, slots: slots, funds: wallet, answers: PlainAnswers(), clock: clock,
      pause: { _ in await Task.yield() })
    reconciler = Reconciler(
      runner: runner, holding: FundsHolding(store: store, funds: wallet, directory: FakeDirectory(), clock: clock),
      report: { order, _ in reports.add(order) })
  }

  static func id(_ number: Int) -> OrderID {
    let digits = String(number, radix: 16)
    return OrderID(known: String(repeating: "0", count: 24 - digits.count) + digits)
  }

  /// Order `number`, approved `number` milliseconds after the start.
  func approve(_ number: Int, hold: FundsHold = .unfunded) async throws {
    let stub = try Make.stub(id: Self.id(number), externalID: "EXT-\(number)")
    let reviewed = try Creation.confirm(stub, now: .start).after
    let result = try Review.verifyPurchase(
      reviewed, by: Make.actor(.agency), now: Timestamp.start.plus(.milliseconds(number)))
    var order = result.order
    order.fundsHold = hold
    await store.place(order)
  }
}

@Suite("What the reconciler looks at")
struct SweepTests {
  // Goal: nobody starves. Method: more orders that cannot be helped than one sweep takes, and behind them one that can.
  @Test("orders that stay unfunded keep nobody behind them waiting for ever")
  func fairness() async throws {
    let harness = Harness()
    let count = Reconciler.batchMax * Reconciler.batchesMax + 50
    for number in 1...count { try await harness.approve(number) }
    harness.clock.advance(by: .seconds(300))
    try await harness.reconciler.sweepUnfunded()
    try await harness.reconciler.sweepUnfunded()
    let asked = await harness.wallet.asked.map(\.order)
    let isInTurn = asked == (1...count).map(Harness.id)
    #expect(isInTurn, "each once, oldest approval first")
    try await harness.reconciler.sweepUnfunded()
    #expect(await harness.wallet.asked.count == count + Reconciler.batchMax * Reconciler.batchesMax)
  }

  @Test("silence of wallet ends a sweep, and the next one goes on behind the order that met it")
  func silence() async throws {
    let harness = Harness(balance: 1_000_000)
    for number in 1...3 { try await harness.approve(number, hold: .requested) }
    await harness.wallet.fail("lock", call: 1, .requestLost)
    harness.clock.advance(by: .seconds(31))
    try await harness.reconciler.sweepSagas()
    #expect(await harness.wallet.asked.map(\.order) == [Harness.id(1)])
    try await harness.reconciler.sweepSagas()
    #expect(await harness.wallet.asked.map(\.order) == [1, 2, 3].map(Harness.id))
    try await harness.reconciler.sweepSagas()
    #expect(await harness.wallet.asked.map(\.order) == [1, 2, 3, 1].map(Harness.id))
    #expect(await harness.wallet.locks == 3)
  }

  @Test("a hold that is asked for again is asked for in the name of whoever approved")
  func approver() async throws {
    let harness = Harness()
    try await harness.approve(1, hold: .requested)
    #expect(await harness.store.stored(Harness.id(1))?.holdRequestedBy == Make.actor(.agency))
    harness.clock.advance(by: .seconds(31))
    try await harness.reconciler.sweepSagas()
    try await harness.reconciler.sweepUnfunded()
    #expect(await harness.wallet.asked.count == 1)
    harness.clock.advance(by: .seconds(300))
    await harness.wallet.deposit(1_000_000)
    try await harness.reconciler.sweepUnfunded()
    #expect(await harness.wallet.asked.map(\.actor) == [Make.actor(.agency), Make.actor(.agency)])
    let held = try #require(await harness.store.stored(Harness.id(1)))
    #expect(held.fundsHold == .held)
    #expect(held.holdRequestedBy == nil, "nobody is asked any more")
  }

  @Test("slots of orders that failed ten minutes ago, or that nobody knows, are given back; no others")
  func heldSlots() async throws {
    let harness = Harness()
    let now = Timestamp.start.plus(.seconds(3_600))
    harness.clock.advance(by: .seconds(3_600))
    let moment = now.plus(.zero - SagaTimes.lateReservation)
    var orders: [Order] = []
    for number in 1...6 {
      let stub = try Make.stub(id: Harness.id(number), externalID: "EXT-\(number)")
      try await harness.slots.reserve(for: stub, as: .system)
      orders.append(stub)
    }
    // 1 waits for its slot, 2 is under review, 3 failed long ago, 4 failed just now, 5 is a pre-order, 6 is unknown.
    await harness.store.place(orders[0])
    await harness.store.place(try Creation.confirm(orders[1], now: .start).after)
    await harness.store.place(try Creation.abandon(orders[2], now: moment).after)
    await harness.store.place(try Creation.abandon(orders[3], now: moment.plus(.milliseconds(1))).after)
    orders[4].workflowStatus = .redirected
    await harness.store.place(orders[4])

    try await harness.reconciler.sweepReservations()
    #expect(
      await harness.slots.reasons == [Harness.id(3): "order_failed", Harness.id(6): "order_unknown"])
    #expect(await harness.slots.free == 96)
    harness.clock.advance(by: .milliseconds(1))
    try await harness.reconciler.sweepReservations()
    #expect(await harness.slots.reasons[Harness.id(4)] == "order_failed")
  }

  @Test("one slot that cannot be given back keeps no other")
  func oneOfMany() async throws {
    let harness = Harness()
    for number in 1...3 {
      try await harness.slots.reserve(
        for: try Make.stub(id: Harness.id(number), externalID: "EXT-\(number)"), as: .system)
    }
    await harness.slots.fail("release", call: 1, .requestLost)
    try await harness.reconciler.sweepReservations()
    #expect(harness.reports.orders == [Harness.id(1)])
    #expect(Set(await harness.slots.reasons.keys) == [Harness.id(2), Harness.id(3)])
    try await harness.reconciler.sweepReservations()
    #expect(await harness.slots.free == 100)
  }
}
