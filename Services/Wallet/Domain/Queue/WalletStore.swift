import Kernel

/// The books as readers see them: everything that is committed, and nothing else.
public protocol WalletStore: Sendable {
  /// Nil when the owner has no wallet.
  func wallet(of owner: UserID) async throws -> Wallet?

  func wallet(_ id: WalletID) async throws -> Wallet?

  /// Rows of the ledger, newest first.
  func transactions(_ filter: TransactionFilter, _ page: PageRequest) async throws -> Page<LedgerRow>

  /// The brand's legs of its payments to agencies, newest first.
  func agencyPayments(of brand: UserID, _ page: PageRequest) async throws -> Page<LedgerRow>

  /// What was in the wallet at a moment, that moment's postings included.
  func balances(of wallet: WalletID, at moment: Timestamp) async throws -> PastBalances

  /// Live ones only.
  func payout(_ id: PayoutID) async throws -> Payout?

  /// Newest request first.
  func payouts(_ filter: PayoutFilter, _ page: PageRequest) async throws -> Page<Payout>

  func totals() async throws -> WalletTotals

  /// All of the books as they are now, and stay for whoever reads this, however much is posted meanwhile.
  func snapshot() async throws -> any LedgerSnapshot

  /// Writes an audit entry that belongs to no change of the books.
  func append(_ record: AuditRecord) async throws
}

/// A wallet as it was.
public struct PastBalances: Hashable, Sendable {
  public let balances: Balances
  /// Postings that had touched the wallet.
  public let version: Int64

  public init(balances: Balances, version: Int64) {
    self.balances = balances
    self.version = version
  }
}

/// Which payouts are listed. Nil does not restrict.
public struct PayoutFilter: Hashable, Sendable {
  public var beneficiary: UserID?
  /// An agency's own payouts and those of its mediators.
  public var network: PartyCode?
  public var status: PayoutStatus?
  /// Inclusive.
  public var from: Timestamp?
  /// Exclusive.
  public var to: Timestamp?

  public init(
    beneficiary: UserID? = nil, network: PartyCode? = nil, status: PayoutStatus? = nil, from: Timestamp? = nil,
    to: Timestamp? = nil
  ) {
    self.beneficiary = beneficiary
    self.network = network
    self.status = status
    self.from = from
    self.to = to
  }

  /// See `TransactionFilter.description`.
  public var description: [String] {
    [
      "beneficiary=\(beneficiary?.rawValue ?? "")", "network=\(network?.rawValue ?? "")",
      "status=\(status?.rawValue ?? "")", "from=\(from.map { String($0.milliseconds) } ?? "")",
      "to=\(to.map { String($0.milliseconds) } ?? "")",
    ]
  }
}

/// How much there is.
public struct WalletTotals: Hashable, Sendable {
  public struct Wallets: Hashable, Sendable {
    public let count: Int64
    public let balances: Balances

    public init(count: Int64, balances: Balances) {
      self.count = count
      self.balances = balances
    }
  }

  public struct Amounts: Hashable, Sendable {
    public let count: Int64
    public let amount: Money

    public init(count: Int64, amount: Money) {
      self.count = count
      self.amount = amount
    }

    public static let none = Amounts(count: 0, amount: .zero)
  }

  /// Live wallets; kinds without any are absent.
  public let wallets: [OwnerKind: Wallets]
  /// Live payouts; states without any are absent.
  public let payouts: [PayoutStatus: Amounts]
  public let openHolds: Amounts

  public init(wallets: [OwnerKind: Wallets], payouts: [PayoutStatus: Amounts], openHolds: Amounts) {
    self.wallets = wallets
    self.payouts = payouts
    self.openHolds = openHolds
  }
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
