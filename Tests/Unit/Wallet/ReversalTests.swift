import Kernel
import Testing
import WalletDomain
import WalletMemory

@Suite("Reversal")
struct ReversalTests {
  private func unsettle(
    _ harness: WalletHarness, seq: Int32 = 1, hold: Int32 = 2, resolve: Bool = false, voidedTries: Int32 = 0
  ) throws -> UnsettleOrderFunds {
    try UnsettleOrderFunds(
      settlement: SettlementNumber(order: harness.order, seq: seq), newHoldSeq: hold, resolve: resolve,
      voidedTries: voidedTries, actor: .system)
  }

  private func settled(fee: Int64 = 0) async throws -> WalletHarness {
    let harness = try await WalletHarness.funded()
    let terms = try harness.terms(5_000, 5_000, fee)
    _ = try await harness.queue.perform(try harness.lock(1, terms))
    _ = try await harness.queue.perform(try harness.settle(1, hold: 1, terms))
    return harness
  }

  // Goal: the third step of the example of DOMAIN 7.8.
  @Test("a reversal gives everything back and locks the owner's debit again", arguments: [0, 250] as [Int64])
  func workedExample(fee: Int64) async throws {
    let harness = try await settled(fee: fee)
    let answer = try #require(try await harness.queue.perform(try unsettle(harness)).answer)
    #expect(answer.posting.text == "order-unsettle:\(harness.order):1")
    #expect(answer.hold.number.seq == 2 && answer.hold.isOpen && answer.hold.amount == Money(paise: 10_000 + fee))
    #expect(harness.balances(harness.owner) == [4_990_000 - fee, 10_000 + fee, 0])
    #expect(harness.balances(harness.buyer) == [0, 0, 5_000])
    #expect(harness.balances(harness.mediator) == [0, 0, 5_000])
    #expect(harness.rows("order-settle:\(harness.order):1").allSatisfy { $0.status == .reversed })
    let rows = harness.rows("order-unsettle:\(harness.order):1")
    #expect(
      rows.map(\.leg.type)
        == [.commissionReversal, .marginReversal] + (fee > 0 ? [.refund] : []) + [TransactionType.refund])
    #expect(rows.allSatisfy { $0.status == .completed && $0.leg.links.settlementSeq == 1 })
    #expect(harness.rows("order-lock:\(harness.order):2").count == 4)
    #expect(harness.ledger.books.contradictions == [])
  }

  @Test("an order is settled and reversed as often as it takes, each time under new numbers")
  func cycle() async throws {
    let harness = try await settled()
    for seq in Int32(1)...3 {
      _ = try await harness.queue.perform(try unsettle(harness, seq: seq, hold: seq + 1))
      #expect(harness.balances(harness.owner) == [4_990_000, 10_000, 0])
      _ = try await harness.queue.perform(try harness.settle(seq + 1, hold: seq + 1))
      #expect(harness.balances(harness.buyer) == [5_000, 0, 0])
    }
    #expect(harness.ledger.books.contradictions == [])
    #expect(try await Reconciliation.check(harness.ledger.books, clock: harness.clock).findings == [])
  }

  // Goal: amounts come from the settlement, and parties without a leg from its fingerprint.
  @Test("parties with nothing to give back are known all the same")
  func zeroLegs() async throws {
    let harness = try await WalletHarness.funded()
    _ = try await harness.queue.perform(try harness.settle(1, hold: 0, try harness.terms(0, 5_000)))
    let hold = try await harness.queue.perform(try unsettle(harness, hold: 1)).answer?.hold
    #expect(hold?.terms?.buyer == harness.buyer && hold?.terms?.mediator == harness.mediator)
    #expect(hold?.terms?.commission == .zero && hold?.terms?.margin == Money(paise: 5_000))
    #expect(harness.ledger.books.contradictions == [])
  }

  @Test("settlement and reversal in one batch leave reversed rows")
  func oneBatch() async throws {
    let books = InMemoryLedger()
    let gate = GatedStore(books)
    let harness = WalletHarness(ledger: books, store: gate)
    await gate.open()
    try await harness.openWallets()
    try await harness.deposit(50_000, ref: "A")
    await gate.close()
    let (deposit, settle, reversal) = (
      try Deposit(
        owner: harness.owner, amount: Money(paise: 1), ref: "first", actor: .system, limits: harness.limits),
      try harness.settle(1, hold: 0), try unsettle(harness, hold: 1)
    )
    let queue = harness.queue
    async let first = queue.perform(deposit)
    while await !gate.isAwaited { await Task.yield() }
    async let second = queue.perform(settle)
    while await queue.waitingCount < 1 { await Task.yield() }
    async let third = queue.perform(reversal)
    while await queue.waitingCount < 2 { await Task.yield() }
    await gate.open()
    _ = try await (first, second, third)
    #expect(harness.rows("order-settle:\(harness.order):1").allSatisfy { $0.status == .reversed })
    #expect(harness.balances(harness.owner) == [40_001, 10_000, 0])
    #expect(harness.ledger.books.contradictions == [])
  }

  @Test("whoever is short is named, and nothing moves", arguments: ["shopper", "mediator", "platform"])
  func short(party: String) async throws {
    let harness = try await settled(fee: 250)
    let owner =
      switch party {
      case "shopper": harness.buyer
      case "mediator": harness.mediator
      default: UserID.platform
      }
    try await harness.drain(owner)
    let before = harness.balances(harness.owner)
    let failure = await #expect(throws: Failure.self) { try await harness.queue.perform(try unsettle(harness)) }
    #expect(failure?.code == .insufficientFundsForReversal)
    #expect(failure?.metadata == ["party": party, "ownerUserId": owner.rawValue])
    #expect(harness.balances(harness.owner) == before)
    #expect(harness.rows("order-settle:\(harness.order):1").allSatisfy { $0.status == .completed })
    #expect(harness.ledger.books.contradictions == [])
  }

  // A refund must never be refused for being welcome (DOMAIN 7.6).
  @Test("the owner gets its money back beyond its ceiling")
  func exempt() async throws {
    let harness = try await WalletHarness.funded(20_000, limits: WalletLimits(businessBalanceMax: Money(paise: 20_000)))
    _ = try await harness.queue.perform(try harness.settle(1, hold: 0))
    try await harness.deposit(10_000, ref: "full again")
    #expect(harness.balances(harness.owner) == [20_000, 0, 0])
    _ = try await harness.queue.perform(try unsettle(harness, hold: 1))
    #expect(harness.balances(harness.owner) == [20_000, 10_000, 0])
  }

  @Test("a reversal happens once, and its number belongs to one hold")
  func replay() async throws {
    let harness = try await settled()
    let first = try await harness.queue.perform(try unsettle(harness))
    let again = try await harness.queue.perform(try unsettle(harness))
    #expect(again.isReplay && again.answer == first.answer)
    #expect(await code { try await harness.queue.perform(try unsettle(harness, hold: 3)) } == .idempotencyMismatch)
    _ = try await harness.queue.perform(try harness.settle(2, hold: 2))
    #expect(try await harness.queue.perform(try unsettle(harness)).answer == first.answer)
    #expect(harness.balances(harness.buyer) == [5_000, 0, 0])
  }

  @Test("a settlement that is not there is not reversed; numbers that are taken are not locked")
  func refusals() async throws {
    let harness = try await settled()
    #expect(await code { try await harness.queue.perform(try unsettle(harness, seq: 2)) } == .notSettled)
    #expect(await code { try await harness.queue.perform(try unsettle(harness, hold: 1)) } == .holdClosed)
    _ = try await harness.queue.perform(try harness.lock(2))
    #expect(await code { try await harness.queue.perform(try unsettle(harness, hold: 3)) } == .duplicateEntry)
    #expect(harness.ledger.books.contradictions == [])
  }

  @Test("a refusal with resolve is final for its key, and the next try has a key of its own")
  func resolve() async throws {
    let harness = try await settled()
    try await harness.drain(harness.buyer)
    let refused = try unsettle(harness, resolve: true)
    #expect(await code { try await harness.queue.perform(refused) } == .insufficientFundsForReversal)
    _ = try await harness.queue.perform(try harness.settle(1, hold: 0, of: .sample(11)))
    #expect(await code { try await harness.queue.perform(try unsettle(harness)) } == .insufficientFundsForReversal)
    let next = try await harness.queue.perform(try unsettle(harness, voidedTries: 1))
    #expect(next.answer?.posting.text == "order-unsettle:\(harness.order):1~1")
    #expect(try await harness.queue.perform(try unsettle(harness, voidedTries: 1)).isReplay)
    #expect(harness.ledger.books.contradictions == [])
  }

  @Test("the settlement of a later try is found")
  func laterTry() async throws {
    let harness = try await WalletHarness.funded(0)
    #expect(await code { try await harness.queue.perform(try harness.settle(resolve: true)) } == .insufficientFunds)
    try await harness.deposit(50_000, ref: "late")
    _ = try await harness.queue.perform(try harness.settle(voidedTries: 1))
    _ = try await harness.queue.perform(try unsettle(harness))
    #expect(harness.rows("order-settle:\(harness.order):1~1").allSatisfy { $0.status == .reversed })
    #expect(try await Reconciliation.check(harness.ledger.books, clock: harness.clock).findings == [])
  }
}

extension WalletHarness {
  /// Takes everything that is available out, as a payout made by hand.
  func drain(_ owner: UserID) async throws {
    let available = ledger.books.wallet(of: owner)?.balances.available ?? .zero
    var payout = try RecordPayout(
      payer: .staff, beneficiary: owner, amount: available, ref: "drain-\(owner)", actor: .system)
    payout.profile = PayoutProfile(kind: .shopper, agencyCode: nil, destination: nil)
    _ = try await queue.perform(payout)
  }
}
