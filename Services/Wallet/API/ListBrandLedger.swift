import Access
import Kernel
public import Messages
public import RPC
import WalletDomain

extension WalletService {
  public func listBrandLedger(
    _ request: WalletV1.ListBrandLedgerRequest, _ context: CallContext
  ) async throws -> WalletV1.ListBrandLedgerResponse {
    let caller = try context.principal()
    let brand = try caller.brand(asked: request.brandUserId)
    let filters = ["brandLedger=\(brand)"]
    let page = try PageRequest(
      size: request.pageSize, cursor: request.cursor, includeTotal: request.includeTotal, filters: filters,
      limits: pageLimits)
    try caller.requireOwn(brand)
    let found = try await store.agencyPayments(of: brand, page)
    return WalletV1.ListBrandLedgerResponse(
      items: found.items.map { WalletV1.BrandLedgerEntry($0) },
      nextCursor: found.next?.text(filters: filters) ?? "", total: found.total)
  }
}

extension Principal {
  /// Whose payments to agencies a call is about: a brand's own, or those of the brand that staff name.
  ///
  /// Fails with `VALIDATION_FAILED` when staff name nobody.
  func brand(asked: String?) throws(Failure) -> UserID {
    if let asked { return try UserID(asked, path: "brandUserId") }
    guard has(.brand) else { throw .validation("brandUserId", "must say which brand") }
    return userID
  }

  /// Fails with `FORBIDDEN` unless the owner is the caller, or the caller staff.
  func requireOwn(_ owner: UserID) throws(Failure) {
    guard owner == userID || isPrivileged else { throw Failure(.forbidden, "this belongs to somebody else") }
  }
}

extension WalletV1.BrandLedgerEntry {
  fileprivate init(_ row: LedgerRow) {
    let metadata = row.leg.metadata
    let mode = PaymentMode(rawValue: metadata["mode"] ?? "") ?? .wallet
    self.init(
      id: row.id.rawValue, createdAt: row.createdAt.message, agencyId: row.leg.links.to?.rawValue ?? "",
      agencyName: metadata["agencyName"] ?? "", agencyCode: metadata["agencyCode"] ?? "",
      amountPaise: row.leg.amount.paise, ref: metadata["ref"] ?? "", mode: .init(domain: mode),
      status: .init(domain: row.status))
  }
}
