import Kernel

extension Reconciliation {
  /// 1, and the sums for 3.
  mutating func checkPostings() async throws {
    var postings = PostingStream(snapshot)
    var untold = 0
    while let rows = try await postings.next() {
      checkPosting(rows)
      report.postings += 1
      report.rows += Int64(rows.count)
      untold += rows.count
      if untold >= Self.pageSize {
        untold = 0
        try await progress(report.rows)
      }
    }
  }

  private mutating func checkPosting(_ rows: [LedgerRow]) {
    guard let first = rows.first else { return }
    report.count(.balancedPostings)
    let net = rows.lazy.filter { !$0.leg.isMemo }.reduce(Int128(0)) { $0 + Int128($1.signedPaise) }
    report.expect(
      net == 0,
      LedgerFinding(
        .balancedPostings, "debits and credits differ", expected: 0, actual: Int64(clamping: net)
      ).about(first))
    report.expect(
      rows.map(\.number) == Array(1...rows.count) && first.fingerprint != nil,
      LedgerFinding(.balancedPostings, "legs are missing").about(first))
    report.expect(
      Set(rows.map(\.status)).count == 1, LedgerFinding(.balancedPostings, "legs differ in status").about(first))
    for row in rows where row.walletEntry == nil && !row.leg.isMemo { totals.entered -= Int128(row.signedPaise) }
    if first.leg.type == .payoutComplete { totals.completions += 1 }
  }

  /// 5, as far as the ledger knows: settlements and reversals of one order lie side by side in two ranges of keys.
  mutating func checkOrders() async throws {
    var settlements = PostingStream(snapshot, prefix: "order-settle:")
    var reversals = PostingStream(snapshot, prefix: "order-unsettle:")
    var settled = try await settlements.next()
    var reversed = try await reversals.next()
    while let order = [settled, reversed].compactMap({ $0?.first?.leg.links.order }).min() {
      var settledSeqs: [Int32: TransactionStatus] = [:]
      var reversedSeqs: Set<Int32> = []
      var counts = (settlements: 0, reversals: 0)
      while let rows = settled, let first = rows.first, first.leg.links.order == order {
        checkAmounts(rows)
        counts.settlements += 1
        settledSeqs[first.leg.links.settlementSeq ?? 0] = first.status
        settled = try await settlements.next()
      }
      while let rows = reversed, let first = rows.first, first.leg.links.order == order {
        counts.reversals += 1
        reversedSeqs.insert(first.leg.links.settlementSeq ?? 0)
        reversed = try await reversals.next()
      }
      report.count(.orders)
      report.expect(
        (0...1).contains(counts.settlements - counts.reversals) && settledSeqs.count == counts.settlements,
        LedgerFinding(
          .orders, "\(counts.settlements) settlements and \(counts.reversals) reversals"
        ).about(order))
      report.expect(
        Set(settledSeqs.filter { $0.value == .reversed }.keys) == reversedSeqs,
        LedgerFinding(.orders, "the rows that are reversed are not those that a posting has reversed").about(order))
    }
  }

  /// `D = C + M + F`, by what was asked and by what was posted.
  private mutating func checkAmounts(_ rows: [LedgerRow]) {
    guard let debit = rows.first else { return }
    let parts = debit.fingerprint.flatMap { Fingerprint(stored: $0).orderParts }
    let sum = parts?.amounts.reduce(Int128(0)) { $0 + Int128($1.paise) }
    report.expect(
      sum == Int128(debit.leg.amount.paise),
      LedgerFinding(
        .orders, "the owner's debit is not commission, margin and fee together",
        expected: sum.map { Int64(clamping: $0) }, actual: debit.leg.amount.paise
      ).about(debit))
  }
}
