import Kernel

/// Checks the whole books against the invariants of DOMAIN 7.7, in memory that does not grow with the ledger: rows
/// pass by twice, once by posting and once by wallet.
public struct Reconciliation: Sendable {
  /// Rows, wallets or payouts that are read at once.
  static let pageSize = 2_000

  /// Sums over the books that two passes must agree on. Wide enough for any number of 64-bit amounts.
  struct Totals: Sendable {
    var entered: Int128 = 0
    var inside: Int128 = 0
    var pending: Int128 = 0
    var held: Int128 = 0
    var completions: Int64 = 0
  }

  let snapshot: any LedgerSnapshot
  let progress: @Sendable (_ rowsChecked: Int64) async throws -> Void
  var report: ReconcileReport
  var totals = Totals()

  private init(
    _ snapshot: any LedgerSnapshot, startedAt: Timestamp, progress: @escaping @Sendable (Int64) async throws -> Void
  ) {
    self.snapshot = snapshot
    self.progress = progress
    report = ReconcileReport(startedAt: startedAt)
  }

  /// `progress` is told now and then how many rows have passed; what it throws ends the check.
  public static func check(
    _ snapshot: any LedgerSnapshot, clock: any WallClock,
    progress: @escaping @Sendable (_ rowsChecked: Int64) async throws -> Void = { _ in }
  ) async throws -> ReconcileReport {
    var check = Reconciliation(snapshot, startedAt: clock.now(), progress: progress)
    try await check.checkPostings()
    try await check.checkOrders()
    try await check.checkWallets()
    try await check.checkPayouts()
    try await check.checkTotals()
    check.report.finishedAt = clock.now()
    return check.report
  }

  private mutating func checkTotals() async throws {
    let holds = try await snapshot.holdTotals()
    report.holds = holds.count
    report.count(.nothingFromNowhere)
    report.expect(
      totals.inside == totals.entered,
      LedgerFinding(
        .nothingFromNowhere, "wallets hold another sum than came in from outside",
        expected: Int64(clamping: totals.entered), actual: Int64(clamping: totals.inside)))
    report.expect(
      totals.held == Int128(holds.open.paise),
      LedgerFinding(
        .lockedIsKept, "open holds keep money of wallets that do not exist", expected: holds.open.paise,
        actual: Int64(clamping: totals.held)))
    report.count(.pendingIsPromised)
    report.expect(
      totals.pending == Int128(holds.promised.paise),
      LedgerFinding(
        .pendingIsPromised, "wallets expect another sum than open holds promise", expected: holds.promised.paise,
        actual: Int64(clamping: totals.pending)))
  }
}
