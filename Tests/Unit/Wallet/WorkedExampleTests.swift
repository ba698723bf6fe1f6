import Kernel
import Testing
import WalletDomain
import WalletMemory

@Suite("Worked example")
struct WorkedExampleTests {
  // Goal: the example of DOMAIN 7.8, step by step. Method: every bucket of every party after every step.
  @Test("an approval locks the owner's debit, and the settlement pays it out", arguments: [0, 250] as [Int64])
  func lockAndSettle(fee: Int64) async throws {
    let harness = try await WalletHarness.funded(5_000_000)
    let terms = try harness.terms(5_000, 5_000, fee)
    #expect(terms.total == Money(paise: 10_000 + fee))

    let locked = try await harness.queue.perform(try harness.lock(1, terms))
    #expect(locked.answer?.amount == terms.total && locked.answer?.state == .open && !locked.isReplay)
    #expect(harness.balances(harness.owner) == [4_990_000 - fee, 10_000 + fee, 0])
    #expect(harness.balances(harness.buyer) == [0, 0, 5_000])
    #expect(harness.balances(harness.mediator) == [0, 0, 5_000])

    let settled = try await harness.queue.perform(try harness.settle(1, hold: 1, terms))
    #expect(settled.answer?.text == "order-settle:\(harness.order):1")
    #expect(harness.balances(harness.owner) == [4_990_000 - fee, 0, 0])
    #expect(harness.balances(harness.buyer) == [5_000, 0, 0])
    #expect(harness.balances(harness.mediator) == [5_000, 0, 0])
    #expect(harness.balances(.platform) == (fee == 0 ? [] : [fee, 0, 0]))
    #expect(harness.ledger.books.contradictions == [])
  }

  @Test("the settlement's legs carry type, links, balances and versions")
  func legs() async throws {
    let harness = try await WalletHarness.funded()
    let terms = try harness.terms(5_000, 5_000, 250)
    _ = try await harness.queue.perform(try harness.lock(1, terms))
    _ = try await harness.queue.perform(try harness.settle(1, hold: 1, terms))

    let rows = harness.rows("order-settle:\(harness.order):1")
    #expect(
      rows.map(\.leg.type) == [
        .orderSettlementDebit, .commissionSettle, .commissionSettle, .platformFee, .cashbackSettle, .cashbackSettle,
      ])
    #expect(rows.map(\.leg.direction) == [.debit, .credit, .credit, .credit, .debit, .debit])
    #expect(rows.map(\.leg.amount.paise) == [10_250, 5_000, 5_000, 250, 5_000, 5_000])
    #expect(rows.map(\.leg.isMemo) == [false, false, false, false, true, true])
    #expect(rows.map(\.walletEntry?.bucket) == [.locked, .available, .available, .available, .pending, .pending])
    #expect(rows.map { $0.leg.metadata["leg"] }.prefix(3) == [nil, "buyer_commission", "mediator_margin"])
    #expect(rows.map(\.walletEntry?.versionAfter) == [3, 2, 2, 1, 2, 2])
    #expect(rows.map { $0.walletEntry?.balanceAfter?.paise } == [0, 5_000, 5_000, 250, 0, 0])
    #expect(rows.map { $0.fingerprint != nil } == [true, false, false, false, false, false])
    #expect(rows.filter { $0.leg.links.campaign != nil }.map(\.number) == [1])
    #expect(rows.allSatisfy { $0.leg.links.order == harness.order && $0.leg.links.settlementSeq == 1 })
    #expect(rows.map(\.idempotencyKey).last == "order-settle:\(harness.order):1#6")
  }

  @Test("without a margin or a fee only the legs that move money are written")
  func zeroLegs() async throws {
    let harness = try await WalletHarness.funded()
    _ = try await harness.queue.perform(try harness.settle(1, hold: 0, try harness.terms(5_000, 0, 0)))
    #expect(harness.rows("order-settle:\(harness.order):1").count == 2)
    #expect(harness.ledger.books.wallet(of: harness.mediator)?.version == 0)
    #expect(harness.ledger.books.contradictions == [])
  }

  // An inventory owner who is also the mediator: one wallet, two parties, one version per posting.
  @Test("one wallet may be two parties of a posting")
  func sameWalletTwice() async throws {
    let harness = try await WalletHarness.funded(0)
    try await harness.deposit(50_000, ref: "own", to: harness.mediator)
    let terms = try harness.terms(5_000, 3_000, owner: harness.mediator)
    _ = try await harness.queue.perform(try harness.lock(1, terms))
    #expect(harness.balances(harness.mediator) == [42_000, 8_000, 3_000])
    _ = try await harness.queue.perform(try harness.settle(1, hold: 1, terms))
    #expect(harness.balances(harness.mediator) == [45_000, 0, 0])
    #expect(harness.ledger.books.wallet(of: harness.mediator)?.version == 3)
    #expect(harness.ledger.books.contradictions == [])
  }

  @Test("each leg on spendable money is audited once, and nothing else is")
  func audits() async throws {
    let harness = try await WalletHarness.funded()
    _ = try await harness.queue.perform(try harness.lock())
    _ = try await harness.queue.perform(try harness.settle())
    _ = try await harness.queue.perform(try harness.settle())
    let audits = harness.ledger.books.audits
    #expect(audits.map(\.action) == [.credit, .debit, .credit, .credit])
    #expect(audits.map(\.type) == [.brandDeposit, .commissionLock, .commissionSettle, .commissionSettle])
    #expect(audits.map(\.amount.paise) == [5_000_000, 10_000, 5_000, 5_000])
  }
}
