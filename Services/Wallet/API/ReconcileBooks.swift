import Kernel
public import Messages
public import RPC
import WalletDomain

extension WalletService {
  public func reconcileBooks(
    _ request: WalletV1.ReconcileBooksRequest, _ context: CallContext,
    _ responses: ResponseWriter<WalletV1.ReconcileBooksResponse>
  ) async throws {
    let report = try await Reconciliation.check(try await store.snapshot(), clock: clock) { checked in
      try await responses.write(WalletV1.ReconcileBooksResponse(transactionsChecked: checked))
    }
    try await responses.write(
      WalletV1.ReconcileBooksResponse(transactionsChecked: report.rows, report: WalletV1.ReconcileReport(report)))
  }
}
