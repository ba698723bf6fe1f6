import Kernel

/// An invariant of DOMAIN 7.7 that the wallet service can check by itself. The raw value is its number there.
public enum Invariant: Int32, CaseIterable, Hashable, Sendable {
  /// Debits equal credits in every posting, whose legs are complete.
  case balancedPostings = 1
  /// A balance is the sum of its rows.
  case balancesAreSums = 2
  /// What is in wallets came in from outside.
  case nothingFromNowhere = 3
  case noneNegative = 4
  /// `D = C + M + F`, and an order is settled at most once more often than it is reversed.
  case orders = 5
  /// Locked money is what open holds and open payouts keep.
  case lockedIsKept = 6
  /// Pending money is what open holds promise.
  case pendingIsPromised = 7
  /// A payout's rows are those of its state.
  case payouts = 8
  /// Versions have no gap, and every row follows from the one before it in its bucket.
  case history = 9
}

/// Something in the books that contradicts an invariant.
public struct LedgerFinding: Hashable, Sendable {
  public let invariant: Invariant
  /// For people.
  public let message: String
  public var wallet: WalletID?
  public var owner: UserID?
  public var transaction: TransactionID?
  public var posting: PostingKey?
  public var order: OrderID?
  public var payout: PayoutID?
  public var expected: Int64?
  public var actual: Int64?

  init(_ invariant: Invariant, _ message: String, expected: Int64? = nil, actual: Int64? = nil) {
    self.invariant = invariant
    self.message = message
    self.expected = expected
    self.actual = actual
  }

  func about(_ wallet: Wallet) -> LedgerFinding {
    var finding = self
    finding.wallet = wallet.id
    finding.owner = wallet.owner
    return finding
  }

  func about(_ row: LedgerRow) -> LedgerFinding {
    var finding = self
    finding.transaction = row.id
    finding.posting = row.posting
    finding.order = row.leg.links.order
    finding.payout = row.leg.links.payout
    finding.wallet = row.walletEntry?.walletID
    finding.owner = row.walletEntry?.owner
    return finding
  }

  func about(_ payout: Payout) -> LedgerFinding {
    var finding = self
    finding.payout = payout.id
    finding.owner = payout.beneficiary
    finding.wallet = payout.walletID
    return finding
  }

  func about(_ order: OrderID) -> LedgerFinding {
    var finding = self
    finding.order = order
    return finding
  }
}

/// The books of one moment, checked from end to end.
public struct ReconcileReport: Hashable, Sendable {
  public struct Result: Hashable, Sendable {
    public internal(set) var checked: Int64 = 0
    /// All of them, however many are listed.
    public internal(set) var findings: Int64 = 0
  }

  /// More findings than anybody reads; the counts go on.
  public static let findingsMax = 1_000

  public let startedAt: Timestamp
  public internal(set) var finishedAt: Timestamp
  public internal(set) var wallets: Int64 = 0
  public internal(set) var rows: Int64 = 0
  public internal(set) var postings: Int64 = 0
  public internal(set) var holds: Int64 = 0
  public internal(set) var payouts: Int64 = 0
  public private(set) var results: [Invariant: Result]
  /// At most `findingsMax`.
  public private(set) var findings: [LedgerFinding] = []

  init(startedAt: Timestamp) {
    self.startedAt = startedAt
    finishedAt = startedAt
    results = Dictionary(uniqueKeysWithValues: Invariant.allCases.map { ($0, Result()) })
  }

  public var isClean: Bool { results.values.allSatisfy { $0.findings == 0 } }

  mutating func count(_ invariant: Invariant) {
    results[invariant, default: Result()].checked += 1
  }

  mutating func add(_ finding: LedgerFinding) {
    results[finding.invariant, default: Result()].findings += 1
    if findings.count < Self.findingsMax { findings.append(finding) }
  }

  /// Checks one fact, and finds it if it does not hold.
  mutating func expect(_ isTrue: Bool, _ finding: @autoclosure () -> LedgerFinding) {
    if !isTrue { add(finding()) }
  }
}
