import Kernel
import OrderMemory
import Testing

@testable import OrderDomain

private struct Harness: Sendable {
  let store = InMemoryOrderStore()
  let slots: FakeSlots
  let wallet: FakeWallet
  let clock = ManualClock()
  let key = Make.key("CreateOrder")

  init(free: Int = 100, balance: Int64 = 1_000_000) {
    slots = FakeSlots(free: free)
    wallet = FakeWallet(balance: balance)
  }

  var runner: SagaRunner {
    SagaRunner(
      store: store, slots: slots, funds: wallet, answers: PlainAnswers(), clock: clock,
      pause: { _ in await Task.yield() })
  }

  var holding: FundsHolding {
    FundsHolding(store: store, funds: wallet, directory: FakeDirectory(), clock: clock)
  }

  var reconciler: Reconciler { Reconciler(runner: runner, holding: holding, report: { _, _ in }) }

  func open(id: OrderID = Make.orderID, externalID: String = "403-1") async throws -> Order {
    let order = try Make.stub(id: id, externalID: externalID, request: key, at: clock.now())
    let opened = try await store.open(
      order, replacing: nil, proofs: [Make.proof(of: id)], limits: VelocityLimits())
    #expect(opened == .committed)
    return order
  }

  func order() async throws -> Order { try #require(await store.stored(Make.orderID)) }
}

private func code(_ body: () async throws -> Void) async -> ErrorCode? {
  do {
    try await body()
    return nil
  } catch { return (error as? Failure)?.code }
}

@Suite("Creation saga and what the reconciler does")
struct CreateOrderSagaTests {
  @Test("a reserved slot makes the order, and the call is remembered")
  func created() async throws {
    let harness = Harness()
    let order = try await CreateOrderSaga(harness.runner).drive(try await harness.open()).order
    #expect(order.workflowStatus == .underReview)
    let answer = RequestAnswer.response(Array("created \(order.id)".utf8))
    #expect(try await harness.store.recall(harness.key, at: .start) == .answered(answer))
  }

  @Test("without a slot nothing is left: claim, external id and request id are free again")
  func soldOut() async throws {
    let harness = Harness(free: 0)
    let order = try await harness.open()
    #expect(await code { _ = try await CreateOrderSaga(harness.runner).drive(order) } == .soldOut)
    #expect(await harness.store.order(order.id) == nil)
    #expect(try await harness.store.recall(harness.key, at: .start) == .unknown)
    _ = try await harness.open(id: OrderID(known: "0000000000000000000000a2"))
  }

  @Test("a lost message leaves the order pending, and a repeat of the call finishes it", arguments: [false, true])
  func lost(replyLost: Bool) async throws {
    let harness = Harness(free: 1)
    await harness.slots.fail("reserve", replyLost ? .replyLost : .requestLost)
    let order = try await harness.open()
    #expect(await code { _ = try await CreateOrderSaga(harness.runner).drive(order) } == .serviceUnavailable)
    #expect(try await harness.store.recall(harness.key, at: .start) == .pending)

    let open = try #require(await harness.store.openCreation(for: harness.key))
    let claimed = try #require(try await harness.runner.claim(open))
    #expect(try await CreateOrderSaga(harness.runner).drive(claimed).order.workflowStatus == .underReview)
    #expect(await harness.slots.free == 0)
  }

  @Test("the reconciler finishes an order whose slot was reserved")
  func recoversForward() async throws {
    let harness = Harness()
    await harness.slots.fail("reserve", .replyLost)
    let order = try await harness.open()
    _ = await code { _ = try await CreateOrderSaga(harness.runner).drive(order) }
    harness.clock.advance(by: .seconds(31))
    try await harness.reconciler.sweepSagas()
    #expect(try await harness.order().workflowStatus == .underReview)
  }

  @Test("a stub without a reservation is given up after 60 seconds, not before")
  func givesUp() async throws {
    let harness = Harness()
    _ = try await harness.open()
    harness.clock.advance(by: .seconds(60) - .milliseconds(1))
    try await harness.reconciler.sweepSagas()
    #expect(try await harness.order().workflowStatus == .created)
    harness.clock.advance(by: .milliseconds(1))
    try await harness.reconciler.sweepSagas()
    #expect(try await harness.order().workflowStatus == .failed)
    #expect(try await harness.store.recall(harness.key, at: .start) == .unknown)
  }

  @Test("a reservation that arrives after its order was given up is released")
  func lateReservation() async throws {
    let harness = Harness(free: 1)
    let order = try await harness.open()
    harness.clock.advance(by: .seconds(60))
    try await harness.reconciler.sweepSagas()
    try await harness.slots.reserve(for: order, as: .system)
    #expect(await harness.slots.free == 0)
    harness.clock.advance(by: .seconds(600))
    try await harness.reconciler.sweepSagas()
    #expect(await harness.slots.free == 1)
    #expect(try await harness.order().slotCheckDueAt == nil)
  }

  @Test("of twenty parallel orders of one shopper ten are made")
  func velocity() async throws {
    let harness = Harness()
    let made = await withTaskGroup(of: Bool.self) { group in
      for index in 0..<20 {
        group.addTask {
          let id = OrderID(known: "0000000000000000000001" + (index < 10 ? "0\(index)" : "\(index)"))
          let deal = Make.deal(id: DealID(known: id.rawValue))
          guard let stub = try? Make.stub(deal, id: id, externalID: "EXT-\(index)"),
            (try? await harness.store.open(stub, replacing: nil, proofs: [], limits: VelocityLimits())) != nil
          else { return false }
          return (try? await CreateOrderSaga(harness.runner).drive(stub)) != nil
        }
      }
      return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
    }
    #expect(made == 10)
  }

  @Test("pre-orders of others, frozen ones and used ones are refused")
  func preOrders() throws {
    var preOrder = try Make.stub()
    preOrder.pendingSaga = nil
    preOrder.workflowStatus = .redirected
    func check(_ order: Order?, _ user: UserID = Make.shopperID, _ deal: DealID = Make.dealID) -> ErrorCode? {
      do {
        _ = try Creation.checkPreOrder(order, of: user, dealID: deal)
        return nil
      } catch { return error.code }
    }
    #expect(check(nil) == .orderNotFound)
    #expect(check(preOrder, Make.staffID) == .orderNotFound)
    #expect(check(preOrder, Make.shopperID, DealID(known: "0000000000000000000000d2")) == .orderStateMismatch)
    #expect(check(preOrder) == nil)
    #expect(check(try Make.underReview()) == .orderStateMismatch)
    preOrder.frozen = true
    #expect(check(preOrder) == .orderFrozen)
  }
}

@Suite("Money held for approved orders")
struct FundsHoldingTests {
  private func approved(in harness: Harness) async throws -> Order {
    let order = try Make.approved()
    await harness.store.place(order)
    return order
  }

  @Test("wallet's answer is stored with the order")
  func held() async throws {
    let harness = Harness()
    let order = try await harness.holding.request(for: try await approved(in: harness))
    #expect(order.fundsHold == .held)
    #expect(try await harness.order().fundsHold == .held)
  }

  @Test("an owner who cannot pay is asked again by the sweep, and the approval stands")
  func unfunded() async throws {
    let harness = Harness(balance: 0)
    let order = try await harness.holding.request(for: try await approved(in: harness))
    #expect(order.fundsHold == .unfunded)
    #expect(order.workflowStatus == .approved)
    harness.clock.advance(by: .seconds(300))
    try await harness.reconciler.sweepUnfunded()
    #expect(try await harness.order().fundsHold == .unfunded)
    await harness.wallet.deposit(10_000)
    try await harness.reconciler.sweepUnfunded()
    #expect(try await harness.order().fundsHold == .held)
  }

  @Test("a wallet that does not answer leaves the hold requested until the reconciler asks again")
  func silent() async throws {
    let harness = Harness()
    await harness.wallet.fail("lock", .requestLost)
    let order = try await harness.holding.request(for: try await approved(in: harness))
    #expect(order.fundsHold == .requested)
    harness.clock.advance(by: .seconds(31))
    try await harness.reconciler.sweepSagas()
    #expect(try await harness.order().fundsHold == .held)
  }
}
