import Kernel

/// Everything that the decided commands of one round write, as one transaction.
///
/// A wallet touched by several of them is written once, from the version that it had before to the last one.
public struct LedgerBatch: Sendable {
  public struct WalletUpdate: Sendable {
    public let wallet: Wallet
    /// The write counts only if the stored wallet still has this version.
    public let versionBefore: Int64
  }

  public struct PayoutUpdate: Sendable {
    public let payout: Payout
    /// The write counts only if the stored payout still has this version.
    public let versionBefore: Int64
  }

  /// Rows that become reversed: of an earlier batch, or of this one, after they were written.
  public struct Reversal: Sendable {
    public let posting: PostingKey
    public let rows: Int
  }

  /// Tells this batch from another of the same number by another process.
  public let id: String
  /// Under which lease it is written: it counts only if nobody has taken that since.
  public let token: Int64
  /// One more than the batches that were committed before it, which the write checks too.
  public let number: Int64
  public let at: Timestamp
  public let openedWallets: [Wallet]
  /// In ascending order of wallet id.
  public let updatedWallets: [WalletUpdate]
  public let changes: [LedgerChange]
  /// What the store has made of the changes already (`LedgerStore.encode`), in order.
  public let encoded: [any Sendable]
  /// Holds, and closed numbers, that were not there before.
  public let newHolds: [Hold]
  /// Holds that were open before.
  public let closedHolds: [Hold]
  public let newPayouts: [Payout]
  /// In ascending order of payout id.
  public let updatedPayouts: [PayoutUpdate]
  public let reversals: [Reversal]

  public var rows: [LedgerRow] { changes.flatMap(\.rows) }
  public var voided: [VoidedPosting] { changes.flatMap(\.voided) }
  public var requests: [StoredRequest] { changes.flatMap(\.requests) }
  public var audits: [WalletAudit] { changes.flatMap(\.audits) }
  public var records: [AuditRecord] { changes.flatMap(\.records) }

  /// One event for all wallets that the rows touch: whoever hears of it fetches again. Then those of the changes.
  public var events: [LedgerEvent] {
    let touched = Set(rows.compactMap { $0.walletEntry?.owner }).subtracting([.platform]).sorted()
    let walletsChanged = touched.isEmpty ? [] : [LedgerEvent(.walletsChanged, users: touched)]
    return walletsChanged + changes.flatMap(\.events)
  }

  /// `loaded` is the ledger before the first of the changes.
  public init(
    _ changes: [LedgerChange], encoded: [any Sendable] = [], on loaded: Ledger, under term: WriterTerm,
    at now: Timestamp
  ) {
    var baseline = Baseline()
    var after = loaded
    for change in changes {
      baseline.note(change, on: after)
      after.apply(change)
    }
    self.init(changes, encoded: encoded, since: baseline, on: after, under: term, at: now)
  }

  /// `after` is the ledger behind the last of the changes.
  init(
    _ changes: [LedgerChange], encoded: [any Sendable], since baseline: Baseline, on after: Ledger,
    under term: WriterTerm, at now: Timestamp
  ) {
    id = TransactionID.generate(at: now).rawValue
    token = term.token
    number = term.batches + 1
    at = now
    self.changes = changes
    self.encoded = encoded

    // By id: an owner whose wallet is closed may open another one in the same batch.
    var last: [WalletID: Wallet] = [:]
    var payouts: [PayoutID: Payout] = [:]
    for change in changes {
      for wallet in change.wallets { last[wallet.id] = wallet }
      for payout in change.payouts { payouts[payout.id] = payout }
    }
    let wallets = last.values.sorted { $0.id < $1.id }
    openedWallets = wallets.filter { baseline.wallets[$0.id] == nil }
    updatedWallets = wallets.compactMap { wallet in
      baseline.wallets[wallet.id].map { WalletUpdate(wallet: wallet, versionBefore: $0) }
    }
    newHolds = baseline.newHolds.compactMap { after.holds[$0] }
    closedHolds = baseline.knownHolds.compactMap { after.holds[$0] }
    let sorted = payouts.values.sorted { $0.id < $1.id }
    newPayouts = sorted.filter { baseline.payouts[$0.id] == nil }
    updatedPayouts = sorted.compactMap { payout in
      baseline.payouts[payout.id].map { PayoutUpdate(payout: payout, versionBefore: $0) }
    }
    reversals = changes.flatMap(\.reversed).sorted().compactMap { key in
      after.postings[key].map { Reversal(posting: key, rows: $0.rows.count) }
    }
  }
}

extension LedgerBatch {
  /// How that was which a batch changes, before its first change: what the writes are conditional on.
  struct Baseline: Sendable {
    /// Versions of the wallets that were there.
    private(set) var wallets: [WalletID: Int64] = [:]
    /// Versions of the payouts that were there.
    private(set) var payouts: [PayoutID: Int64] = [:]
    private(set) var newHolds: [HoldNumber] = []
    private(set) var knownHolds: [HoldNumber] = []
    private var seenWallets: Set<WalletID> = []
    private var seenPayouts: Set<PayoutID> = []
    private var seenHolds: Set<HoldNumber> = []

    /// The change comes next, on this ledger.
    mutating func note(_ change: LedgerChange, on ledger: Ledger) {
      for wallet in change.wallets where seenWallets.insert(wallet.id).inserted {
        if let before = ledger.wallets[wallet.owner], before.id == wallet.id { wallets[wallet.id] = before.version }
      }
      for payout in change.payouts where seenPayouts.insert(payout.id).inserted {
        payouts[payout.id] = ledger.payouts[payout.id]?.version
      }
      for hold in change.holds where seenHolds.insert(hold.number).inserted {
        if ledger.holds[hold.number] == nil { newHolds.append(hold.number) } else { knownHolds.append(hold.number) }
      }
    }
  }
}
