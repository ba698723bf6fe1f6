import Kernel
import Testing
import WalletDomain
import WalletMemory

@Suite("Holds")
struct HoldTests {
  @Test("a release gives the owner everything back")
  func release() async throws {
    let harness = try await WalletHarness.funded()
    _ = try await harness.queue.perform(try harness.lock())
    let released = try await harness.queue.perform(harness.release())
    #expect(released.answer?.state == .released && released.answer?.amount == Money(paise: 10_000))
    #expect(harness.balances(harness.owner) == [5_000_000, 0, 0])
    #expect(harness.balances(harness.buyer) == [0, 0, 0] && harness.balances(harness.mediator) == [0, 0, 0])
    #expect(try await harness.queue.perform(harness.release()).isReplay)
    #expect(harness.ledger.books.contradictions == [])
  }

  @Test("a repeated lock is answered as the first was, whatever has become of the hold since")
  func repeatedLock() async throws {
    let harness = try await WalletHarness.funded()
    let first = try await harness.queue.perform(try harness.lock())
    harness.clock.advance(by: .seconds(1))
    _ = try await harness.queue.perform(try harness.settle())
    let second = try await harness.queue.perform(try harness.lock())
    #expect(second.isReplay && second.answer == first.answer && second.answer?.state == .open)
  }

  @Test("a release is never refused for a full wallet: the money was the owner's own")
  func releaseAboveCeiling() async throws {
    let limits = WalletLimits(businessBalanceMax: Money(paise: 10_000))
    let harness = try await WalletHarness.funded(10_000, limits: limits)
    _ = try await harness.queue.perform(try harness.lock())
    try await harness.deposit(10_000, ref: "second")
    #expect(await code { try await harness.deposit(1, ref: "third") } == .balanceLimitExceeded)
    _ = try await harness.queue.perform(harness.release())
    #expect(harness.balances(harness.owner) == [20_000, 0, 0])
  }

  // Goal: a lock delayed beyond the cancellation of its order locks nothing, for ever.
  @Test("releasing a hold that never arrived closes its number")
  func releaseMissing() async throws {
    let harness = try await WalletHarness.funded()
    #expect(await code { try await harness.queue.perform(harness.release()) } == .holdNotFound)
    #expect(await code { try await harness.queue.perform(harness.release()) } == .holdNotFound)
    #expect(await code { try await harness.queue.perform(try harness.lock()) } == .holdClosed)
    #expect(harness.ledger.books.holds.map(\.amount) == [.zero])
    #expect(harness.balances(harness.owner) == [5_000_000, 0, 0])
    // The next approval's hold is another number.
    #expect(try await harness.queue.perform(try harness.lock(2)).answer?.state == .open)
    #expect(harness.ledger.books.contradictions == [])
  }

  @Test("a settlement closes the number it names, and a late hold is refused")
  func lateHold() async throws {
    let harness = try await WalletHarness.funded()
    _ = try await harness.queue.perform(try harness.settle(1, hold: 1))
    #expect(harness.balances(harness.owner) == [4_990_000, 0, 0])
    #expect(await code { try await harness.queue.perform(try harness.lock(1)) } == .holdClosed)
    #expect(await code { try await harness.queue.perform(harness.release(1)) } == .holdNotFound)
    #expect(harness.ledger.books.holds.map(\.state) == [.consumed])
    #expect(harness.ledger.books.contradictions == [])
  }

  @Test("an order has at most one open hold")
  func secondOpenHold() async throws {
    let harness = try await WalletHarness.funded()
    _ = try await harness.queue.perform(try harness.lock(1))
    #expect(await code { try await harness.queue.perform(try harness.lock(2)) } == .duplicateEntry)
  }

  @Test("a consumed hold cannot be released")
  func releaseConsumed() async throws {
    let harness = try await WalletHarness.funded()
    _ = try await harness.queue.perform(try harness.lock())
    _ = try await harness.queue.perform(try harness.settle())
    #expect(await code { try await harness.queue.perform(harness.release()) } == .holdClosed)
  }

  @Test("a hold takes at most what is available", arguments: [(9_999, false), (10_000, true)] as [(Int64, Bool)])
  func funds(available: Int64, suffices: Bool) async throws {
    let harness = try await WalletHarness.funded(available)
    let refusal = await code { try await harness.queue.perform(try harness.lock()) }
    #expect(refusal == (suffices ? nil : .insufficientFunds))
    // Nothing was remembered: with money there, the same request succeeds.
    try await harness.deposit(1, ref: "more")
    #expect(try await harness.queue.perform(try harness.lock()).isReplay == suffices)
  }

  @Test("the same number with other content is a mistake, not a hold")
  func mismatch() async throws {
    let harness = try await WalletHarness.funded()
    _ = try await harness.queue.perform(try harness.lock(1))
    let other = try harness.lock(1, try harness.terms(5_001, 4_999))
    #expect(await code { try await harness.queue.perform(other) } == .idempotencyMismatch)
    #expect(try await harness.queue.perform(try harness.lock(1)).isReplay)
    #expect(harness.balances(harness.owner) == [4_990_000, 10_000, 0])
  }

  @Test("parties without a wallet are refused, and closed numbers before missing funds")
  func order() async throws {
    let harness = try await WalletHarness.funded(0)
    let stranger = try harness.terms(owner: .sample(9))
    #expect(await code { try await harness.queue.perform(try harness.lock(1, stranger)) } == .walletNotFound)
    _ = await code { try await harness.queue.perform(harness.release(1)) }
    #expect(await code { try await harness.queue.perform(try harness.lock(1)) } == .holdClosed)
  }
}
