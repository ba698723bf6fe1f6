import Kernel

/// Where money of a wallet sits (DOMAIN 7.2).
public enum Bucket: String, CaseIterable, Hashable, Sendable {
  /// Spendable.
  case available
  /// The owner's own money, set aside for open holds and open payouts.
  case locked
  /// Expected income: a memo, not money.
  case pending
}

/// The amounts of a wallet. None is ever below zero.
public struct Balances: Hashable, Sendable {
  public internal(set) var available: Money
  public internal(set) var locked: Money
  public internal(set) var pending: Money

  public static let zero = Balances(available: .zero, locked: .zero, pending: .zero)

  public init(available: Money, locked: Money, pending: Money) {
    self.available = available
    self.locked = locked
    self.pending = pending
  }

  public internal(set) subscript(_ bucket: Bucket) -> Money {
    get {
      switch bucket {
      case .available: available
      case .locked: locked
      case .pending: pending
      }
    }
    set {
      switch bucket {
      case .available: available = newValue
      case .locked: locked = newValue
      case .pending: pending = newValue
      }
    }
  }
}

/// One owner's money. Changed by postings only, through `LedgerDraft`.
public struct Wallet: Hashable, Sendable {
  public let id: WalletID
  public let owner: UserID
  public let kind: OwnerKind
  public internal(set) var balances: Balances
  /// The number of postings that touched the wallet; opening it does not count.
  public internal(set) var version: Int64
  public let createdAt: Timestamp
  public internal(set) var updatedAt: Timestamp
  /// Nil while the wallet lives. A closed one is empty and stays as it is; its owner may open another.
  public internal(set) var closedAt: Timestamp?
  public internal(set) var closedBy: String?

  public init(
    id: WalletID, owner: UserID, kind: OwnerKind, balances: Balances = .zero, version: Int64 = 0,
    createdAt: Timestamp, updatedAt: Timestamp, closedAt: Timestamp? = nil, closedBy: String? = nil
  ) {
    self.id = id
    self.owner = owner
    self.kind = kind
    self.balances = balances
    self.version = version
    self.createdAt = createdAt
    self.updatedAt = updatedAt
    self.closedAt = closedAt
    self.closedBy = closedBy
  }

  public var isEmpty: Bool { balances == .zero }

  func closed(_ context: DecisionContext, by actor: Actor) -> Wallet {
    var closed = self
    closed.updatedAt = context.now
    closed.closedAt = context.now
    closed.closedBy = actor.id
    return closed
  }

  static func opened(for owner: UserID, kind: OwnerKind, at now: Timestamp) -> Wallet {
    Wallet(id: .generate(at: now), owner: owner, kind: kind, createdAt: now, updatedAt: now)
  }
}

extension UserID {
  /// The owner of the wallet that collects platform fees. It belongs to no user.
  public static let platform = UserID(known: "000000000000000000000001")
}
