import Access
import Kernel
public import Messages
public import RPC
import WalletDomain

extension WalletService {
  public func listPayouts(
    _ request: WalletV1.ListPayoutsRequest, _ context: CallContext
  ) async throws -> WalletV1.ListPayoutsResponse {
    let caller = try context.principal()
    var filter = PayoutFilter(
      beneficiary: try request.beneficiaryUserId.map { try UserID($0, path: "beneficiaryUserId") },
      status: try request.status.map { try PayoutStatus($0, path: "status") }, from: request.from?.kernel,
      to: request.to?.kernel)
    let asked = filter.beneficiary
    if !caller.isPrivileged {
      if caller.has(.agency), let code = caller.mediatorCode {
        filter.network = code
      } else {
        filter.beneficiary = caller.userID
      }
    }
    let filters = filter.description
    let page = try PageRequest(
      size: request.pageSize, cursor: request.cursor, includeTotal: request.includeTotal, filters: filters,
      limits: pageLimits)
    if let asked, asked != caller.userID, !caller.isPrivileged { try await checkScope(of: asked, for: caller) }
    let found = try await store.payouts(filter, page)
    return WalletV1.ListPayoutsResponse(
      items: found.items.map { WalletV1.Payout($0) }, nextCursor: found.next?.text(filters: filters) ?? "",
      total: found.total)
  }

  /// Somebody else's payouts are shown to the agency of a mediator only, after the mediator was found to exist.
  private func checkScope(of beneficiary: UserID, for caller: Principal) async throws {
    guard let found = try await directory.beneficiary(beneficiary) else {
      throw Failure(.userNotFound, "there is no user \(beneficiary)")
    }
    guard caller.has(.agency), found.party.role == .mediator, let code = caller.mediatorCode,
      found.agencyCode == code
    else { throw Failure(.forbidden, "these payouts belong to somebody else") }
  }
}
