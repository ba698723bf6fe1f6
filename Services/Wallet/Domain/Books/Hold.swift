import Kernel

/// Which hold of which order. Numbers ascend with every approval, so that a late request cannot meet a newer hold.
public struct HoldNumber: Hashable, Sendable {
  public let order: OrderID
  /// From 1.
  public let seq: Int32

  public init(order: OrderID, seq: Int32) {
    self.order = order
    self.seq = seq
  }
}

public enum HoldState: String, CaseIterable, Hashable, Sendable {
  case open
  /// The order was settled.
  case consumed
  /// The owner has the money back.
  case released
}

/// Owner money that is locked for an approved order, or a number that was closed before any hold arrived (DOMAIN 7.4).
public struct Hold: Hashable, Sendable {
  public let number: HoldNumber
  /// Nil when the number was closed before a hold arrived: nothing was ever locked under it.
  public let terms: HoldTerms?
  public internal(set) var state: HoldState
  public let createdAt: Timestamp
  public internal(set) var updatedAt: Timestamp

  public init(number: HoldNumber, terms: HoldTerms?, state: HoldState, createdAt: Timestamp, updatedAt: Timestamp) {
    self.number = number
    self.terms = terms
    self.state = state
    self.createdAt = createdAt
    self.updatedAt = updatedAt
  }

  public var isOpen: Bool { state == .open }

  /// What was locked; zero when nothing was.
  public var amount: Money { terms?.amount ?? .zero }

  /// The hold when it was opened: what a repeat of the request for it is answered.
  var asOpened: Hold {
    var opened = self
    opened.state = .open
    opened.updatedAt = createdAt
    return opened
  }

  func closed(as state: HoldState, at now: Timestamp) -> Hold {
    assert(isOpen && state != .open)
    var closed = self
    closed.state = state
    closed.updatedAt = now
    return closed
  }
}

/// Whose money a hold keeps, and for whom.
public struct HoldTerms: Hashable, Sendable {
  public let owner: UserID
  public let walletID: WalletID
  public let buyer: UserID
  public let mediator: UserID
  public let commission: Money
  public let margin: Money
  /// The owner's whole debit D: commission, margin and platform fee.
  public let amount: Money

  public init(
    owner: UserID, walletID: WalletID, buyer: UserID, mediator: UserID, commission: Money, margin: Money, amount: Money
  ) {
    self.owner = owner
    self.walletID = walletID
    self.buyer = buyer
    self.mediator = mediator
    self.commission = commission
    self.margin = margin
    self.amount = amount
  }

  var parties: [UserID] { [owner, buyer, mediator] }

  /// True when the settlement asks for what was locked.
  func match(_ terms: OrderTerms) -> Bool {
    owner == terms.owner && buyer == terms.buyer && mediator == terms.mediator && commission == terms.commission
      && margin == terms.margin && amount == terms.total
  }
}
