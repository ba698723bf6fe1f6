import Kernel
import Testing
import WalletDomain
import WalletMemory

@Suite("Settlement")
struct SettlementTests {
  @Test("without an open hold the owner pays out of available", arguments: [0, 1] as [Int32])
  func withoutHold(holdSeq: Int32) async throws {
    let harness = try await WalletHarness.funded()
    _ = try await harness.queue.perform(try harness.settle(1, hold: holdSeq))
    #expect(harness.balances(harness.owner) == [4_990_000, 0, 0])
    #expect(harness.balances(harness.buyer) == [5_000, 0, 0])
    #expect(harness.ledger.books.holds.count == Int(holdSeq))
    #expect(harness.ledger.books.contradictions == [])
  }

  @Test("a settlement is applied once, however often it is sent")
  func replay() async throws {
    let harness = try await WalletHarness.funded()
    _ = try await harness.queue.perform(try harness.lock())
    let first = try await harness.queue.perform(try harness.settle())
    let second = try await harness.queue.perform(try harness.settle())
    #expect(!first.isReplay && second.isReplay && first.answer == second.answer)
    #expect(harness.balances(harness.buyer) == [5_000, 0, 0])
    let other = try harness.settle(1, hold: 1, try harness.terms(4_000, 6_000))
    #expect(await code { try await harness.queue.perform(other) } == .idempotencyMismatch)
  }

  @Test("a settlement must ask for what its open hold keeps")
  func holdOfOtherTerms() async throws {
    let harness = try await WalletHarness.funded()
    _ = try await harness.queue.perform(try harness.lock())
    let other = try harness.settle(1, hold: 1, try harness.terms(4_000, 6_000))
    #expect(await code { try await harness.queue.perform(other) } == .idempotencyMismatch)
    #expect(harness.balances(harness.owner) == [4_990_000, 10_000, 0])
  }

  @Test("a plain refusal leaves no trace")
  func plainRefusal() async throws {
    let harness = try await WalletHarness.funded(9_999)
    #expect(await code { try await harness.queue.perform(try harness.settle()) } == .insufficientFunds)
    #expect(harness.ledger.books.holds.isEmpty && harness.ledger.books.voided.isEmpty)
    try await harness.deposit(1, ref: "rest")
    #expect(try await !harness.queue.perform(try harness.settle()).isReplay)
  }

  // Goal: after an unknown outcome the repeated step decides for ever; a delayed first attempt then posts nothing.
  @Test("a refusal with resolve is final for its key, and the next try has a key of its own")
  func resolve() async throws {
    let harness = try await WalletHarness.funded(9_999)
    #expect(await code { try await harness.queue.perform(try harness.settle(resolve: true)) } == .insufficientFunds)
    try await harness.deposit(1_000_000, ref: "rich")
    #expect(await code { try await harness.queue.perform(try harness.settle()) } == .insufficientFunds)
    #expect(await code { try await harness.queue.perform(try harness.settle(resolve: true)) } == .insufficientFunds)

    let next = try await harness.queue.perform(try harness.settle(voidedTries: 1))
    #expect(next.answer?.text == "order-settle:\(harness.order):1~1")
    #expect(try await harness.queue.perform(try harness.settle(resolve: true, voidedTries: 1)).isReplay)
    #expect(await code { try await harness.queue.perform(try harness.settle()) } == .insufficientFunds)
    #expect(harness.balances(harness.buyer) == [5_000, 0, 0])
    #expect(harness.ledger.books.contradictions == [])
  }

  @Test("a resolve that can post does, and is not voided")
  func resolveSucceeds() async throws {
    let harness = try await WalletHarness.funded()
    _ = try await harness.queue.perform(try harness.settle())
    #expect(try await harness.queue.perform(try harness.settle(resolve: true)).isReplay)
    #expect(harness.ledger.books.voided.isEmpty)
  }

  @Test("a later try needs its predecessors refused for good, and never pays twice")
  func triesInOrder() async throws {
    let harness = try await WalletHarness.funded()
    let second = try harness.settle(voidedTries: 1)
    #expect(await code { try await harness.queue.perform(second) } == .idempotencyMismatch)
    let first = try await harness.queue.perform(try harness.settle())
    let late = try await harness.queue.perform(second)
    #expect(late.isReplay && late.answer == first.answer)
    #expect(harness.balances(harness.buyer) == [5_000, 0, 0])
  }

  @Test(
    "the number of tries is bounded",
    arguments: [(-1, false), (0, true), (1_000, true), (1_001, false)] as [(Int32, Bool)])
  func triesMax(tries: Int32, isAccepted: Bool) throws {
    let harness = WalletHarness()
    #expect(((try? harness.settle(voidedTries: tries)) != nil) == isAccepted)
  }

  @Test(
    "amounts must be whole, positive in sum and countable",
    arguments: [
      (0, 0, 0, .invalidAmount), (-1, 2, 0, .invalidAmount), (1, -1, 0, .invalidAmount), (1, 0, -1, .invalidAmount),
      (.max, 1, 0, .amountOutOfRange), (1, 0, 0, nil), (0, 1, 0, nil), (0, 0, 1, nil), (.max, 0, 0, nil),
    ] as [(Int64, Int64, Int64, ErrorCode?)])
  func amounts(commission: Int64, margin: Int64, fee: Int64, refusal: ErrorCode?) async {
    let harness = WalletHarness()
    #expect(await code { try harness.terms(commission, margin, fee) } == refusal)
  }

  // Both sides of the ceilings of DOMAIN 7.6; the platform has none.
  @Test(
    "a credit stops at the receiver's ceiling",
    arguments: [(10_000, 5_000, nil), (10_001, 5_000, .balanceLimitExceeded), (10_000, 5_001, .balanceLimitExceeded)]
      as [(Int64, Int64, ErrorCode?)])
  func ceilings(commission: Int64, margin: Int64, refusal: ErrorCode?) async throws {
    let limits = WalletLimits(balanceMax: Money(paise: 10_000))
    let harness = try await WalletHarness.funded(limits: limits)
    let earlier = try harness.settle(1, hold: 0, of: .sample(11), try harness.terms(0, 5_000))
    _ = try await harness.queue.perform(earlier)
    let settlement = try harness.settle(1, hold: 0, try harness.terms(commission, margin, 1_000_000))
    #expect(await code { try await harness.queue.perform(settlement) } == refusal)
    #expect(harness.balances(.platform) == (refusal == nil ? [1_000_000, 0, 0] : []))
    #expect(harness.ledger.books.contradictions == [])
  }

  @Test("a short owner is named before a full receiver")
  func fundsBeforeCeiling() async throws {
    let harness = try await WalletHarness.funded(10, limits: WalletLimits(balanceMax: Money(paise: 5)))
    #expect(await code { try await harness.queue.perform(try harness.settle()) } == .insufficientFunds)
  }

  @Test("every party that is paid needs a wallet, and existence comes before funds", arguments: [0, 5_000_000])
  func missingParty(available: Int64) async throws {
    let harness = try await WalletHarness.funded(available)
    let terms = try harness.terms(mediator: .sample(9))
    #expect(await code { try await harness.queue.perform(try harness.settle(1, hold: 0, terms)) } == .walletNotFound)
    #expect(harness.balances(harness.owner) == [available, 0, 0])
  }
}
