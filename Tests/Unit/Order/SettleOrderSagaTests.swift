import Kernel
import OrderMemory
import Testing

@testable import OrderDomain

/// A settlement with its neighbours, any of which may fail.
private struct Harness: Sendable {
  let store = InMemoryOrderStore()
  let slots = FakeSlots()
  let wallet: FakeWallet
  let clock = ManualClock(.start.plus(.seconds(30 * 86_400)))
  let key = Make.key("SettleOrder")

  init(balance: Int64 = 1_000_000) { wallet = FakeWallet(balance: balance) }

  func runner(_ store: (any OrderStore)? = nil) -> SagaRunner {
    SagaRunner(
      store: store ?? self.store, slots: slots, funds: wallet, answers: PlainAnswers(), clock: clock,
      pause: { _ in await Task.yield() })
  }

  func reconciler() -> Reconciler {
    let runner = runner()
    return Reconciler(
      runner: runner,
      holding: FundsHolding(store: store, funds: wallet, directory: FakeDirectory(), clock: clock),
      report: { _, _ in })
  }

  /// W13: an approved order on its way to be paid.
  func begin(mode: SettlementMode = .wallet, from approved: Order? = nil) async throws -> Order {
    let order: Order
    if let approved {
      order = approved
    } else {
      order = try Make.approved()
      await store.place(order)
      try await slots.reserve(for: order, as: .system)
    }
    let verdict = try SettlementRules.decide(
      SettlementRequest(mode: mode, ref: "UTR-1", overrideCooling: false), on: order, by: Make.viewer(.agency),
      actor: Make.actor(.agency), parties: Make.parties(), openTickets: [], key: key, now: clock.now())
    guard case .settle(let change) = verdict else { throw Failure(.internalError, "not settled") }
    guard await store.commit(change, .begin(key)) == .committed else { throw Failure(.orderStateMismatch, "lost") }
    return change.after
  }

  /// What a repeat of the call does: takes the saga over and drives it on.
  func repeatCall() async throws -> SettleOrderSaga.Ending {
    guard let order = await store.stored(Make.orderID), let claimed = try await runner().claim(order) else {
      throw Failure(.serviceUnavailable, "nothing to take over")
    }
    return try await SettleOrderSaga(runner()).drive(claimed)
  }

  func order() async throws -> Order { try #require(await store.stored(Make.orderID)) }

  func memory() async throws -> RequestMemory { try await store.recall(key, at: clock.now()) }
}

private func code(_ body: () async throws -> Void) async -> ErrorCode? {
  do {
    try await body()
    return nil
  } catch { return (error as? Failure)?.code }
}

@Suite("Settlement saga")
struct SettleOrderSagaTests {
  @Test("a wallet settlement consumes the slot, moves the money and completes the order")
  func wallet() async throws {
    let harness = Harness()
    let ending = try await SettleOrderSaga(harness.runner()).drive(try await harness.begin())
    #expect(ending.outcome == .settled)
    #expect(ending.order.workflowStatus == .completed)
    #expect(ending.order.paymentStatus == .paid)
    #expect(ending.order.affiliateStatus == .approvedSettled)
    #expect(ending.order.fundsHold == .consumed)
    #expect(ending.order.settlement?.seq == 1)
    #expect(ending.order.pendingSaga == nil)
    #expect(await harness.wallet.posted.count == 1)
    #expect(await harness.slots.states[Make.orderID] == .consumed)
    #expect(try await harness.memory() == .answered(.response(Array("settled".utf8))))
  }

  @Test("an external settlement moves no money and closes the hold")
  func external() async throws {
    let harness = Harness()
    let ending = try await SettleOrderSaga(harness.runner()).drive(try await harness.begin(mode: .external))
    #expect(ending.order.settlement?.ref == "UTR-1")
    #expect(ending.order.fundsHold == .released)
    #expect(await harness.wallet.posted.isEmpty)
    #expect(await harness.wallet.releases == [1])
  }

  @Test("a settlement that meets the cap fails the order without moving money")
  func cap() async throws {
    let harness = Harness()
    let order = try await harness.begin()
    await harness.slots.setCapReached()
    let ending = try await SettleOrderSaga(harness.runner()).drive(order)
    #expect(ending.outcome == .capExceeded)
    #expect(ending.order.workflowStatus == .failed)
    #expect(ending.order.affiliateStatus == .capExceeded)
    #expect(ending.order.paymentStatus == .failed)
    #expect(!ending.order.claimActive)
    #expect(await harness.wallet.posted.isEmpty)
    #expect(await harness.wallet.releases == [1])
    #expect(await harness.slots.states[Make.orderID] == .released)
    #expect(try await harness.memory() == .answered(.response(Array("cap_exceeded".utf8))))
  }

  @Test("a refusal by wallet gives the slot back, keeps the number and may be tried afresh")
  func refused() async throws {
    let harness = Harness(balance: 9_999)
    let order = try await harness.begin()
    #expect(await code { _ = try await SettleOrderSaga(harness.runner()).drive(order) } == .insufficientFunds)
    let after = try await harness.order()
    #expect(after.workflowStatus == .approved)
    #expect(after.affiliateStatus == .pendingCooling)
    #expect(after.pendingSaga == nil)
    #expect(after.settlement == nil)
    #expect(await harness.slots.states[Make.orderID] == .held)
    #expect(try await harness.memory() == .unknown)

    await harness.wallet.deposit(1)
    let ending = try await SettleOrderSaga(harness.runner()).drive(try await harness.begin(from: after))
    #expect(ending.order.settlement?.seq == 1)
    #expect(await harness.wallet.posted.count == 1)
    #expect(await harness.wallet.balance == 0)
  }

  // Goal: no lost message moves money twice or not at all. Method: every remote call of the way, both directions.
  @Test(
    "a lost message is made good inside the call or by its repeat, and money moves once",
    arguments: ["consume", "settle"], [false, true])
  func lostMessage(method: String, replyLost: Bool) async throws {
    let harness = Harness()
    let order = try await harness.begin()
    let fault: Fault = replyLost ? .replyLost : .requestLost
    if method == "consume" { await harness.slots.fail(method, fault) } else { await harness.wallet.fail(method, fault) }
    let first = await code { _ = try await SettleOrderSaga(harness.runner()).drive(order) }
    if method == "consume" {
      #expect(first == .serviceUnavailable)
      #expect(try await harness.memory() == .pending)
      #expect(try await harness.repeatCall().outcome == .settled)
    } else {
      #expect(first == nil)
    }
    #expect(await harness.wallet.posted.count == 1)
    #expect(await harness.wallet.balance == 990_000)
    #expect(try await harness.order().workflowStatus == .completed)
  }

  @Test("while wallet stays silent the order stays pending, and the reconciler finishes it")
  func silence() async throws {
    let harness = Harness()
    let order = try await harness.begin()
    for call in 1...3 { await harness.wallet.fail("settle", call: call, call == 1 ? .replyLost : .requestLost) }
    #expect(await code { _ = try await SettleOrderSaga(harness.runner()).drive(order) } == .serviceUnavailable)
    #expect(try await harness.order().workflowStatus == .rewardPending)

    harness.clock.advance(by: .seconds(30))
    try await harness.reconciler().sweepSagas()
    #expect(try await harness.order().workflowStatus == .rewardPending)  // Exactly 30 s is not older than 30 s.
    harness.clock.advance(by: .milliseconds(1))
    try await harness.reconciler().sweepSagas()
    #expect(try await harness.order().workflowStatus == .completed)
    #expect(await harness.wallet.posted.count == 1)
    #expect(try await harness.memory() == .answered(.response(Array("settled".utf8))))
  }

  @Test("a refusal after an unknown outcome is final, and the next try uses another key")
  func resolved() async throws {
    let harness = Harness(balance: 1)
    let order = try await harness.begin()
    await harness.wallet.fail("settle", call: 1, .requestLost)
    #expect(await code { _ = try await SettleOrderSaga(harness.runner()).drive(order) } == .insufficientFunds)
    #expect(await harness.wallet.voided.count == 1)
    let after = try await harness.order()
    #expect(after.voidedSettlementTries == 1)

    await harness.wallet.deposit(10_000)
    let ending = try await SettleOrderSaga(harness.runner()).drive(try await harness.begin(from: after))
    #expect(ending.order.settlement?.seq == 1)
    #expect(ending.order.voidedSettlementTries == 0)
    #expect(await harness.wallet.posted.keys.map(\.voidedTries) == [1])
  }

  // Goal: kill -9 anywhere. Method: the process dies before or after each of its own commits, and the same call is
  // repeated with the same key.
  @Test("a process that dies at any commit is survived: money moves once", arguments: [1, 2], [false, true])
  func death(commit: Int, afterCommit: Bool) async throws {
    let harness = Harness()
    let order = try await harness.begin()
    let dying = DyingStore(harness.store, at: commit, afterCommit: afterCommit)
    await #expect(throws: ProcessDied.self) { _ = try await SettleOrderSaga(harness.runner(dying)).drive(order) }
    if commit == 2, afterCommit {
      #expect(try await harness.memory() == .answered(.response(Array("settled".utf8))))
    } else {
      #expect(try await harness.repeatCall().outcome == .settled)
    }
    #expect(await harness.wallet.posted.count == 1)
    #expect(await harness.wallet.balance == 990_000)
    #expect(try await harness.order().workflowStatus == .completed)
    #expect(try await harness.order().events.count { $0.type == .settled } == 1)
  }

  @Test("a process that dies on the way back is survived too", arguments: [1, 2], [false, true])
  func deathWhileCompensating(commit: Int, afterCommit: Bool) async throws {
    let harness = Harness(balance: 0)
    let order = try await harness.begin()
    let dying = DyingStore(harness.store, at: 1 + commit, afterCommit: afterCommit)
    await #expect(throws: ProcessDied.self) { _ = try await SettleOrderSaga(harness.runner(dying)).drive(order) }
    if try await harness.order().pendingSaga != nil {
      #expect(await code { _ = try await harness.repeatCall() } == .insufficientFunds)
    }
    #expect(try await harness.order().workflowStatus == .approved)
    #expect(await harness.slots.states[Make.orderID] == .held)
    #expect(await harness.wallet.posted.isEmpty)
  }

  @Test("two drivers of one saga agree: the deposed one reports what the other achieved")
  func takeover() async throws {
    let harness = Harness()
    let order = try await harness.begin()
    let claimed = try #require(try await harness.runner().claim(order))
    let saga = SettleOrderSaga(harness.runner())
    async let deposed = saga.drive(order)
    async let owner = saga.drive(claimed)
    #expect(try await owner.outcome == .settled)
    #expect(try await deposed.outcome == .settled)
    #expect(await harness.wallet.posted.count == 1)
    #expect(try await harness.order().events.count { $0.type == .settled } == 1)
  }

  @Test("of many settlements at once one begins and the others lose")
  func race() async throws {
    let harness = Harness()
    let order = try Make.approved()
    await harness.store.place(order)
    try await harness.slots.reserve(for: order, as: .system)
    let settled = await withTaskGroup(of: Bool.self) { group in
      for _ in 0..<10 {
        group.addTask {
          guard let begun = try? await harness.begin(from: order) else { return false }
          return (try? await SettleOrderSaga(harness.runner()).drive(begun).outcome) == .settled
        }
      }
      return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
    }
    #expect(settled == 1)
    #expect(await harness.wallet.posted.count == 1)
  }

  @Test("a freeze that arrives meanwhile does not stop money that is on its way")
  func frozenMeanwhile() async throws {
    let harness = Harness()
    let order = try await harness.begin()
    var frozen = order
    frozen.frozen = true
    await harness.store.place(frozen)
    #expect(try await SettleOrderSaga(harness.runner()).drive(order).outcome == .settled)
  }
}
