import Kernel

extension Reconciliation {
  /// 2, 4, 6 and 9, and the sums for 3 and 7: wallets and their rows, both in ascending order of wallet id.
  mutating func checkWallets() async throws {
    var statements = StatementStream(snapshot)
    var last: WalletID?
    var passed: Int64 = 0
    while true {
      let page = try await snapshot.wallets(after: last, limit: Self.pageSize)
      guard let end = page.last else { break }
      last = end.id
      let held = try await snapshot.heldAmounts(of: page)
      let paying = try await snapshot.openPayoutAmounts(of: page)
      for wallet in page {
        try await checkRows(of: wallet, &statements, &passed)
        checkLocked(wallet, held: held[wallet.id] ?? .zero, paying: paying[wallet.id] ?? .zero)
      }
      try await progress(report.rows + passed)
    }
    while let rows = try await statements.next() { orphans(rows) }
  }

  private mutating func checkRows(
    of wallet: Wallet, _ statements: inout StatementStream, _ passed: inout Int64
  ) async throws {
    report.wallets += 1
    for invariant in [Invariant.balancesAreSums, .noneNegative, .lockedIsKept, .history] { report.count(invariant) }
    var history = WalletHistory(wallet)
    while let place = try await statements.peek(), place.wallet <= wallet.id {
      guard let rows = try await statements.next() else { break }
      guard place.wallet == wallet.id else {
        orphans(rows)
        continue
      }
      for row in rows { history.take(row, &report) }
      history.settle(&report)
      passed += Int64(rows.count)
    }
    history.finish(&report)
  }

  private mutating func orphans(_ rows: [LedgerRow]) {
    for row in rows { report.add(LedgerFinding(.balancesAreSums, "the row's wallet does not exist").about(row)) }
  }

  private mutating func checkLocked(_ wallet: Wallet, held: Money, paying: Money) {
    let balances = wallet.balances
    totals.inside += Int128(balances.available.paise) + Int128(balances.locked.paise)
    totals.pending += Int128(balances.pending.paise)
    totals.held += Int128(held.paise)
    let kept = Int128(held.paise) + Int128(paying.paise)
    report.expect(
      kept == Int128(balances.locked.paise),
      LedgerFinding(
        .lockedIsKept, "what is locked is not what open holds and payouts keep", expected: Int64(clamping: kept),
        actual: balances.locked.paise
      ).about(wallet))
    report.expect(
      wallet.closedAt == nil || wallet.isEmpty,
      LedgerFinding(.balancesAreSums, "the wallet is closed and not empty").about(wallet))
  }
}

/// The rows of all wallets, wallet by wallet, latest first, in groups of one wallet and one time.
struct StatementStream {
  private let snapshot: any LedgerSnapshot
  private var place: StatementPlace?
  private var groups: ArraySlice<[LedgerRow]> = []
  private var isAtEnd = false

  init(_ snapshot: any LedgerSnapshot) {
    self.snapshot = snapshot
  }

  /// Whose rows come next.
  mutating func peek() async throws -> StatementPlace? {
    try await fill()
    return groups.first.flatMap(Self.place)
  }

  mutating func next() async throws -> [LedgerRow]? {
    try await fill()
    return groups.popFirst()
  }

  /// A page may cut through a group: its last group is read again, as the first of the next page.
  private mutating func fill() async throws {
    guard groups.isEmpty, !isAtEnd else { return }
    var limit = Reconciliation.pageSize
    while true {
      let rows = try await snapshot.statements(from: place, limit: limit)
      isAtEnd = rows.count < limit
      var found: [[LedgerRow]] = []
      for row in rows {
        if let last = found.last?.first, Self.place([last]) == Self.place([row]) {
          found[found.count - 1].append(row)
        } else {
          found.append([row])
        }
      }
      if !isAtEnd, let cut = found.popLast() {
        // A group as large as the page: only a larger page holds it.
        guard !found.isEmpty else {
          limit *= 2
          continue
        }
        place = Self.place(cut)
      }
      groups = found[...]
      return
    }
  }

  private static func place(_ group: [LedgerRow]) -> StatementPlace? {
    group.first.flatMap { row in
      row.walletEntry.map { StatementPlace(wallet: $0.walletID, at: row.createdAt) }
    }
  }
}
