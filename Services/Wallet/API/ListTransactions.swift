import Access
import Kernel
public import Messages
public import RPC
import WalletDomain

extension WalletService {
  public func listTransactions(
    _ request: WalletV1.ListTransactionsRequest, _ context: CallContext
  ) async throws -> WalletV1.ListTransactionsResponse {
    let caller = try context.principal()
    let asked = try TransactionFilter(request)
    var filter = asked
    if !caller.isPrivileged { filter.owner = caller.userID }
    let filters = filter.description
    let page = try PageRequest(
      size: request.pageSize, cursor: request.cursor, includeTotal: request.includeTotal, filters: filters,
      limits: pageLimits)
    // After the page, which is part of what the fields say: a bad field is named whoever the wallet belongs to.
    if !caller.isPrivileged { try await checkScope(of: asked, for: caller) }
    let found = try await store.transactions(filter, page)
    return WalletV1.ListTransactionsResponse(
      items: found.items.map { WalletV1.Transaction($0) }, nextCursor: found.next?.text(filters: filters) ?? "",
      total: found.total)
  }

  /// Somebody else's wallet is refused, after it was found to exist.
  func checkScope(of filter: TransactionFilter, for caller: Principal) async throws {
    var asked: [Wallet?] = []
    if let owner = filter.owner, owner != caller.userID { asked.append(try await store.wallet(of: owner)) }
    if let id = filter.wallet { asked.append(try await store.wallet(id)) }
    for wallet in asked {
      guard let wallet else { throw Failure(.walletNotFound, "there is no such wallet") }
      guard wallet.owner == caller.userID else {
        throw Failure(.forbidden, "this wallet belongs to somebody else")
      }
    }
  }
}

extension TransactionFilter {
  init(_ request: WalletV1.ListTransactionsRequest) throws {
    self.init(
      owner: try request.ownerUserId.map { try UserID($0, path: "ownerUserId") },
      wallet: try request.walletId.map { try WalletID($0, path: "walletId") },
      type: try request.type.map { try TransactionType($0, path: "type") },
      order: try request.orderId.map { try OrderID($0, path: "orderId") },
      payout: try request.payoutId.map { try PayoutID($0, path: "payoutId") },
      from: request.from?.kernel, to: request.to?.kernel, includesMemo: request.includeMemo)
  }
}
