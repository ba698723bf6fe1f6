import Kernel

/// Checks one wallet's rows, latest first, against its balances: 2, 4 and 9.
///
/// Rows come in the order of their time. Versions mostly descend with it, but clocks jump: what comes too early waits
/// until its turn.
struct WalletHistory {
  /// Rows that may wait. More of them than this were posted by a clock that was wrong for hours.
  static let waitingMax = 500_000

  private let wallet: Wallet
  /// The version whose rows come next.
  private var version: Int64
  /// What each bucket holds after the row that comes next.
  private var running: [Int64]
  private var sums: [Int128] = [0, 0, 0]
  private var waiting: [Int64: [Entry]] = [:]
  private var waitingCount = 0
  private var hasGivenUp = false

  private struct Entry {
    let id: TransactionID
    let posting: PostingKey
    let number: Int
    let bucket: Bucket
    let signed: Int64
    let after: Int64
    /// Nil where the row does not say.
    let available: Int64?
  }

  init(_ wallet: Wallet) {
    self.wallet = wallet
    version = wallet.version
    running = Bucket.allCases.map { wallet.balances[$0].paise }
  }

  mutating func take(_ row: LedgerRow, _ report: inout ReconcileReport) {
    guard let entry = row.walletEntry else { return }
    guard let rowVersion = entry.versionAfter, let after = entry.balanceAfter else {
      report.expect(
        row.leg.isMemo && row.leg.metadata["mode"] == PaymentMode.manual.rawValue,
        LedgerFinding(.history, "the row does not say what it left").about(row))
      return
    }
    sums[entry.bucket.index] += Int128(row.signedPaise)
    report.expect(
      after >= .zero, LedgerFinding(.noneNegative, "a bucket was below zero", actual: after.paise).about(row))
    guard !hasGivenUp else { return }
    guard rowVersion <= version else {
      report.add(
        LedgerFinding(.history, "version \(rowVersion) is there twice, or beyond the wallet's").about(row))
      return
    }
    waiting[rowVersion, default: []].append(
      Entry(
        id: row.id, posting: row.posting, number: row.number, bucket: entry.bucket, signed: row.signedPaise,
        after: after.paise, available: entry.availableAfter?.paise))
    waitingCount += 1
  }

  /// Checks what is complete: all rows of the times that have passed are known.
  mutating func settle(_ report: inout ReconcileReport) {
    while let entries = waiting.removeValue(forKey: version) {
      check(entries, &report)
      version -= 1
    }
    if waitingCount > Self.waitingMax, !hasGivenUp {
      hasGivenUp = true
      waiting = [:]
      report.add(
        LedgerFinding(.history, "too many rows are out of order to be followed: the wallet's history is not checked")
          .about(wallet))
    }
  }

  mutating func finish(_ report: inout ReconcileReport) {
    settle(&report)
    for rest in waiting.keys.sorted(by: >) {
      guard let entries = waiting.removeValue(forKey: rest) else { continue }
      report.add(LedgerFinding(.history, "versions \(rest + 1) to \(version) are missing").about(wallet))
      check(entries, &report)
      version = rest - 1
    }
    if !hasGivenUp {
      report.expect(
        version == 0, LedgerFinding(.history, "versions 1 to \(max(1, version)) are missing").about(wallet))
      for bucket in Bucket.allCases {
        report.expect(
          running[bucket.index] == 0,
          LedgerFinding(
            .history, "\(bucket.rawValue) did not begin at 0", expected: 0, actual: running[bucket.index]
          ).about(wallet))
      }
    }
    for bucket in Bucket.allCases {
      let balance = wallet.balances[bucket].paise
      report.expect(
        sums[bucket.index] == Int128(balance),
        LedgerFinding(
          .balancesAreSums, "\(bucket.rawValue) is not the sum of its rows",
          expected: Int64(clamping: sums[bucket.index]), actual: balance
        ).about(wallet))
      report.expect(
        balance >= 0, LedgerFinding(.noneNegative, "\(bucket.rawValue) is below zero", actual: balance).about(wallet))
    }
  }

  /// The rows of one posting on this wallet, last leg first. After a break the rows themselves say how to go on.
  private mutating func check(_ entries: [Entry], _ report: inout ReconcileReport) {
    waitingCount -= entries.count
    report.expect(
      Set(entries.map(\.posting)).count == 1,
      LedgerFinding(.history, "version \(version) belongs to two postings").about(wallet))
    for entry in entries.sorted(by: { $0.number > $1.number }) {
      let expected = running[entry.bucket.index]
      report.expect(
        entry.after == expected,
        finding(
          "\(entry.bucket.rawValue) does not lead to the row that follows", entry, expected: expected,
          actual: entry.after))
      if let available = entry.available {
        let left = running[Bucket.available.index]
        report.expect(
          available == left,
          finding("what was available is not what the others left", entry, expected: left, actual: available))
      }
      running[entry.bucket.index] = entry.after &- entry.signed
    }
  }

  private func finding(_ problem: String, _ entry: Entry, expected: Int64, actual: Int64) -> LedgerFinding {
    var finding = LedgerFinding(.history, problem, expected: expected, actual: actual).about(wallet)
    finding.transaction = entry.id
    finding.posting = entry.posting
    return finding
  }
}

extension Bucket {
  /// Its place in `allCases`.
  fileprivate var index: Int {
    switch self {
    case .available: 0
    case .locked: 1
    case .pending: 2
    }
  }
}
