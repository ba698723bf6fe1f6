import Kernel

/// The books as readers see them: everything that is committed, and nothing else.
public protocol WalletStore: Sendable {
  /// Nil when the owner has no wallet.
  func wallet(of owner: UserID) async throws -> Wallet?

  func wallet(_ id: WalletID) async throws -> Wallet?

  /// Rows of the ledger, newest first.
  func transactions(_ filter: TransactionFilter, _ page: PageRequest) async throws -> Page<LedgerRow>
}

/// Which rows of the ledger are listed. Nil does not restrict.
public struct TransactionFilter: Hashable, Sendable {
  public var owner: UserID?
  public var wallet: WalletID?
  public var type: TransactionType?
  public var order: OrderID?
  public var payout: PayoutID?
  /// Inclusive.
  public var from: Timestamp?
  /// Exclusive.
  public var to: Timestamp?
  public var includesMemo: Bool

  public init(
    owner: UserID? = nil, wallet: WalletID? = nil, type: TransactionType? = nil, order: OrderID? = nil,
    payout: PayoutID? = nil, from: Timestamp? = nil, to: Timestamp? = nil, includesMemo: Bool = false
  ) {
    self.owner = owner
    self.wallet = wallet
    self.type = type
    self.order = order
    self.payout = payout
    self.from = from
    self.to = to
    self.includesMemo = includesMemo
  }

  /// Every filter with its value, in a fixed order: a cursor belongs to one such list.
  public var description: [String] {
    [
      "owner=\(owner?.rawValue ?? "")", "wallet=\(wallet?.rawValue ?? "")", "type=\(type?.rawValue ?? "")",
      "order=\(order?.rawValue ?? "")", "payout=\(payout?.rawValue ?? "")",
      "from=\(from.map { String($0.milliseconds) } ?? "")", "to=\(to.map { String($0.milliseconds) } ?? "")",
      "memo=\(includesMemo)",
    ]
  }
}
