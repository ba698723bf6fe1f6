import Kernel
import Testing
import WalletDomain
import WalletMemory

/// Books with one thing wrong, as no command could leave them.
@Suite("Reconciliation")
struct ReconciliationTests {
  /// A bit of everything: holds, settlements, a reversal, payouts of every state, payments to agencies.
  private func busyBooks() async throws -> Books {
    let harness = try await WalletHarness.funded()
    for order in 1...4 { _ = try await harness.queue.perform(try harness.lock(1, of: .sample(order))) }
    for order in 1...3 { _ = try await harness.queue.perform(try harness.settle(1, hold: 1, of: .sample(order))) }
    _ = try await harness.queue.perform(
      try UnsettleOrderFunds(
        settlement: SettlementNumber(order: .sample(1), seq: 1), newHoldSeq: 2, resolve: false, voidedTries: 0,
        actor: .system))
    // References that look like legs of each other.
    for ref in ["A", "A#1", "A#1#1", "A#2", "B"] { try await harness.deposit(10, ref: ref) }
    var request = try RequestPayout(
      beneficiary: harness.buyer, amount: Money(paise: 1_000), requestID: "1", actor: .system, limits: harness.limits)
    request.profile = PayoutProfile(kind: .shopper, agencyCode: nil, destination: .upi("a@upi"))
    _ = try await harness.queue.perform(request)
    try await harness.drain(harness.mediator)
    return harness.ledger.books
  }

  private func findings(_ books: Books) async throws -> ReconcileReport {
    try await Reconciliation.check(books, clock: ManualClock())
  }

  @Test("sound books are clean, and everything was looked at")
  func clean() async throws {
    let books = try await busyBooks()
    let report = try await findings(books)
    #expect(report.findings == [] && report.isClean)
    #expect(report.rows == Int64(books.rows.count) && report.wallets == Int64(books.wallets.count))
    #expect(report.payouts == 2 && report.holds == 5)
    #expect(report.results[.orders]?.checked == 3)
    #expect(report.results[.balancedPostings]?.checked == Int64(Set(books.rows.map(\.posting)).count))
  }

  @Test("empty books are clean")
  func empty() async throws {
    #expect(try await findings(Books(wallets: [], rows: [], holds: [])).isClean)
  }

  @Test("a clock that jumps back leaves histories in order")
  func clockJump() async throws {
    let harness = try await WalletHarness.funded()
    for number in 0..<50 {
      harness.clock.advance(by: .milliseconds(number.isMultiple(of: 7) ? -20_000 : 1_000))
      try await harness.deposit(10, ref: "\(number)")
    }
    #expect(try await findings(harness.ledger.books).findings == [])
  }

  @Test("a row that is missing is missed by its posting, its wallet and its history")
  func missingRow() async throws {
    let books = try await busyBooks()
    let row = try #require(books.rows.first { $0.leg.type == .brandDeposit && $0.walletEntry != nil })
    let report = try await findings(books.with(rows: books.rows.filter { $0.id != row.id }))
    let invariants = Set(report.findings.map(\.invariant))
    #expect(invariants.isSuperset(of: [.balancedPostings, .balancesAreSums, .history]))
    #expect(report.findings.contains { $0.posting == row.posting && $0.invariant == .balancedPostings })
    #expect(report.findings.contains { $0.wallet == row.walletEntry?.walletID && $0.invariant == .balancesAreSums })
  }

  @Test("a balance that was written by hand is found, and its wallet named")
  func wrongBalance() async throws {
    let books = try await busyBooks()
    let wallets = books.wallets.map { wallet in
      wallet.kind == .brand
        ? Wallet(
          id: wallet.id, owner: wallet.owner, kind: wallet.kind,
          balances: Balances(
            available: Money(paise: wallet.balances.available.paise + 1), locked: wallet.balances.locked,
            pending: wallet.balances.pending), version: wallet.version, createdAt: wallet.createdAt,
          updatedAt: wallet.updatedAt)
        : wallet
    }
    let report = try await findings(books.with(wallets: wallets))
    #expect(Set(report.findings.map(\.invariant)) == [.balancesAreSums, .nothingFromNowhere, .history])
    let sum = try #require(report.findings.first { $0.invariant == .balancesAreSums })
    #expect(sum.wallet == wallets.first { $0.kind == .brand }?.id)
    #expect(sum.actual == (sum.expected ?? 0) + 1)
  }

  @Test("a row that says wrongly what was available is named; one that does not say is as good as any")
  func wrongAvailable() async throws {
    let books = try await busyBooks()
    let row = try #require(books.rows.last { $0.walletEntry?.availableAfter != nil })
    let available = try #require(row.walletEntry?.availableAfter)
    func report(_ said: Money?) async throws -> ReconcileReport {
      try await findings(books.with(rows: books.rows.map { $0.id == row.id ? $0.saying(said) : $0 }))
    }
    let wrong = try await report(Money(paise: available.paise + 1))
    #expect(wrong.findings.map(\.invariant) == [.history])
    #expect(wrong.findings.first?.transaction == row.id)
    #expect(wrong.findings.first?.expected == available.paise)
    #expect(try await report(nil).isClean)
  }

  @Test("a hold that vanished leaves locked and pending money for nothing")
  func missingHold() async throws {
    let books = try await busyBooks()
    let open = try #require(books.holds.first { $0.isOpen })
    let report = try await findings(books.with(holds: books.holds.filter { $0.number != open.number }))
    #expect(Set(report.findings.map(\.invariant)) == [.lockedIsKept, .pendingIsPromised])
  }

  @Test("an order that was settled twice is found")
  func doubleSettlement() async throws {
    let books = try await busyBooks()
    // The reversal of order 1 vanishes, and its settlement stands again beside a second one.
    let rows = books.rows.filter { !$0.posting.text.hasPrefix("order-unsettle:") }
    let report = try await findings(books.with(rows: rows))
    #expect(report.findings.contains { $0.invariant == .orders && $0.order == OrderID.sample(1) })
  }

  @Test("a payout whose rows do not fit its state is found")
  func payoutState() async throws {
    let books = try await busyBooks()
    let report = try await findings(books.with(payouts: books.payouts.filter { $0.status != .paid }))
    #expect(report.findings.map(\.invariant) == [.payouts])
    let none = try await findings(books.with(payouts: []))
    #expect(Set(none.findings.map(\.invariant)) == [.payouts, .lockedIsKept])
  }

  @Test("findings are listed up to a bound, and counted all")
  func bounded() async throws {
    let harness = WalletHarness()
    for number in 1...ReconcileReport.findingsMax + 5 { try await harness.deposit(1, ref: "\(number)") }
    let books = harness.ledger.books
    let report = try await findings(books.with(rows: books.rows.filter { $0.number == 1 }))
    #expect(report.findings.count == ReconcileReport.findingsMax)
    #expect(report.results[.balancedPostings]?.findings == Int64(ReconcileReport.findingsMax + 5))
  }
}

extension Books {
  fileprivate func with(
    wallets: [Wallet]? = nil, rows: [LedgerRow]? = nil, holds: [Hold]? = nil, payouts: [Payout]? = nil
  ) -> Books {
    Books(
      wallets: wallets ?? self.wallets, rows: rows ?? self.rows, holds: holds ?? self.holds,
      closedWallets: closedWallets, payouts: payouts ?? self.payouts)
  }
}

extension LedgerRow {
  fileprivate func saying(_ available: Money?) -> LedgerRow {
    guard case .wallet(let entry) = account else { return self }
    return LedgerRow(
      id: id, posting: posting, number: number, fingerprint: fingerprint,
      account: .wallet(
        .init(
          walletID: entry.walletID, owner: entry.owner, bucket: entry.bucket, balanceAfter: entry.balanceAfter,
          availableAfter: available, versionAfter: entry.versionAfter)),
      status: status, leg: leg, createdAt: createdAt)
  }
}
