import Kernel
public import Messages
public import RPC
import WalletDomain

extension WalletService {
  public func reconcile(
    _ request: WalletV1.ReconcileRequest, _ context: CallContext
  ) async throws -> WalletV1.ReconcileResponse {
    let report = try await Reconciliation.check(try await store.snapshot(), clock: clock) { _ in
      try Task.checkCancellation()
    }
    return WalletV1.ReconcileResponse(report: WalletV1.ReconcileReport(report))
  }
}

extension WalletV1.ReconcileReport {
  init(_ report: ReconcileReport) {
    self.init(
      startedAt: report.startedAt.message, finishedAt: report.finishedAt.message, clean: report.isClean,
      wallets: report.wallets, transactions: report.rows, postings: report.postings, holds: report.holds,
      payouts: report.payouts,
      invariants: Invariant.allCases.compactMap { invariant in
        report.results[invariant].map { result in
          WalletV1.InvariantResult(
            invariant: invariant.rawValue, checked: result.checked, findings: result.findings)
        }
      },
      findings: report.findings.map { WalletV1.LedgerFinding($0) })
  }
}

extension WalletV1.LedgerFinding {
  fileprivate init(_ finding: LedgerFinding) {
    self.init(
      invariant: finding.invariant.rawValue, message: finding.message, walletId: finding.wallet?.rawValue,
      ownerUserId: finding.owner?.rawValue, transactionId: finding.transaction?.rawValue,
      postingId: finding.posting?.text, orderId: finding.order?.rawValue, payoutId: finding.payout?.rawValue,
      expectedPaise: finding.expected, actualPaise: finding.actual)
  }
}
