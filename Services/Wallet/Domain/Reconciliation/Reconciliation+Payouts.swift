import Kernel

extension Reconciliation {
  /// 8.
  mutating func checkPayouts() async throws {
    var last: PayoutID?
    var paid: Int64 = 0
    while true {
      let page = try await snapshot.payouts(after: last, limit: Self.pageSize)
      guard let end = page.last else { break }
      last = end.id
      let rows = Dictionary(grouping: try await snapshot.rows(of: page.map(\.id)), by: \.leg.links.payout)
      for payout in page {
        report.payouts += 1
        report.count(.payouts)
        if payout.status == .paid { paid += 1 }
        check(payout, rows[payout.id] ?? [])
      }
    }
    report.expect(
      paid == totals.completions,
      LedgerFinding(
        .payouts, "payouts that are paid, and postings that paid one", expected: paid, actual: totals.completions))
  }

  private mutating func check(_ payout: Payout, _ rows: [LedgerRow]) {
    func net(_ bucket: Bucket) -> Int64 {
      rows.filter { $0.walletEntry?.bucket == bucket }.reduce(0) { $0 &+ $1.signedPaise }
    }
    let own = rows.filter { $0.walletEntry != nil }
    report.expect(
      own.allSatisfy { $0.walletEntry?.walletID == payout.walletID && $0.leg.amount == payout.amount },
      LedgerFinding(.payouts, "rows of another wallet or amount").about(payout))
    let completions = own.count { $0.leg.type == .payoutComplete }
    let (available, locked) = (net(.available), net(.locked))
    let amount = payout.amount.paise
    let isRight =
      switch payout.status {
      case .requested, .processing: completions == 0 && locked == amount && available == -amount
      case .paid: completions == 1 && locked == 0 && available == -amount
      case .failed, .canceled: completions == 0 && locked == 0 && available == 0 && !rows.isEmpty
      case .recorded: rows.isEmpty
      }
    report.expect(
      isRight,
      LedgerFinding(.payouts, "its rows are not those of a payout that is \(payout.status.rawValue)").about(payout))
    report.expect(
      payout.deletedAt == nil || payout.status == .recorded,
      LedgerFinding(.payouts, "deleted although money has moved").about(payout))
  }
}
