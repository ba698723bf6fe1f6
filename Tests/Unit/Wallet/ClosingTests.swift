import Kernel
import Testing
import WalletDomain
import WalletMemory

@Suite("Closing wallets")
struct ClosingTests {
  private func close(_ owner: UserID) throws -> CloseWallet { try CloseWallet(owner: owner, actor: .system) }

  @Test("an empty wallet is closed; its owner may have another one")
  func closing() async throws {
    let harness = try await WalletHarness.funded(700)
    try await harness.drain(harness.owner)
    let old = try #require(harness.ledger.books.wallet(of: harness.owner))
    _ = try await harness.queue.perform(try close(harness.owner))
    #expect(harness.ledger.books.wallet(of: harness.owner) == nil)
    #expect(harness.ledger.books.closedWallets.map(\.version) == [old.version], "closing is no posting")
    #expect(await code { try await harness.queue.perform(try close(harness.owner)) } == .walletNotFound)
    try await harness.deposit(5, ref: "a new beginning")
    #expect(harness.ledger.books.wallet(of: harness.owner)?.id != old.id)
    #expect(harness.balances(harness.owner) == [5, 0, 0])
    let records = harness.ledger.books.records.filter { $0.action == .walletDeleted }
    #expect(records.map(\.entity) == [.wallet(old.id)])
    #expect(try await Reconciliation.check(harness.ledger.books, clock: harness.clock).findings == [])
  }

  @Test("closed and opened again in one batch, an owner has one wallet")
  func oneBatch() async throws {
    let books = InMemoryLedger()
    let gate = GatedStore(books)
    let harness = WalletHarness(ledger: books, store: gate)
    await gate.open()
    try await harness.openWallets()
    await gate.close()
    let queue = harness.queue
    let (first, closing) = (harness.release(), try close(harness.owner))
    let opening = try EnsureWallet(owner: harness.owner, kind: .brand, actor: .system)
    async let refused = code { try await queue.perform(first) }
    while await !gate.isAwaited { await Task.yield() }
    async let closed = queue.perform(closing)
    while await queue.waitingCount < 1 { await Task.yield() }
    async let opened = queue.perform(opening)
    while await queue.waitingCount < 2 { await Task.yield() }
    await gate.open()
    _ = try await (refused, closed, opened)
    #expect(books.books.wallets.count { $0.owner == harness.owner } == 1)
    #expect(books.books.closedWallets.count == 1)
  }

  @Test("a wallet with money in any bucket, or an open payout, is not closed")
  func refusals() async throws {
    let harness = try await WalletHarness.funded(20_000)
    #expect(await code { try await harness.queue.perform(try close(harness.owner)) } == .walletNotEmpty)
    _ = try await harness.queue.perform(try harness.lock())
    #expect(await code { try await harness.queue.perform(try close(harness.buyer)) } == .walletNotEmpty)
    var request = try RequestPayout(
      beneficiary: harness.owner, amount: Money(paise: 10_000), requestID: "", actor: .system, limits: harness.limits)
    request.profile = PayoutProfile(kind: .agency, agencyCode: nil, destination: .upi("a@upi"))
    _ = try await harness.queue.perform(request)
    #expect(await code { try await harness.queue.perform(try close(harness.owner)) } == .payoutPending)
    #expect(await code { try await harness.queue.perform(try close(.sample(77))) } == .walletNotFound)
    #expect(await code { try close(.platform) } == .forbidden)
    #expect(harness.ledger.books.contradictions == [])
  }
}
