import Kernel

/// Everything that the decided commands of one round write, as one transaction.
///
/// A wallet touched by several of them is written once, from the version that was loaded to the last one.
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
  /// The batch's number: one more than the ledger it was decided on.
  public let number: Int64
  public let at: Timestamp
  public let openedWallets: [Wallet]
  /// In ascending order of wallet id.
  public let updatedWallets: [WalletUpdate]
  public let rows: [LedgerRow]
  /// Holds, and closed numbers, that were not there before.
  public let newHolds: [Hold]
  /// Holds that were open before.
  public let closedHolds: [Hold]
  public let voided: [VoidedPosting]
  public let requests: [StoredRequest]
  public let audits: [WalletAudit]
  public let newPayouts: [Payout]
  /// In ascending order of payout id.
  public let updatedPayouts: [PayoutUpdate]
  public let reversals: [Reversal]
  public let records: [AuditRecord]
  /// One event for all wallets that the rows touch: whoever hears of it fetches again. Then those of the changes.
  public let events: [LedgerEvent]

  /// `loaded` is the ledger before the first of the changes.
  public init(_ changes: [LedgerChange], on loaded: Ledger, at now: Timestamp) {
    id = TransactionID.generate(at: now).rawValue
    number = loaded.batchesCommitted + 1
    at = now
    var after = loaded
    for change in changes { after.apply(change) }

    // By id: an owner whose wallet is closed may open another one in the same batch.
    var last: [WalletID: Wallet] = [:]
    for wallet in changes.flatMap(\.wallets) { last[wallet.id] = wallet }
    let before = Dictionary(loaded.wallets.values.map { ($0.id, $0.version) }, uniquingKeysWith: { first, _ in first })
    let wallets = last.values.sorted { $0.id < $1.id }
    openedWallets = wallets.filter { before[$0.id] == nil }
    updatedWallets = wallets.compactMap { wallet in
      before[wallet.id].map { WalletUpdate(wallet: wallet, versionBefore: $0) }
    }

    var numbers: Set<HoldNumber> = []
    let holds = changes.flatMap(\.holds).map(\.number).filter { numbers.insert($0).inserted }
      .compactMap { after.holds[$0] }
    newHolds = holds.filter { loaded.holds[$0.number] == nil }
    closedHolds = holds.filter { loaded.holds[$0.number] != nil }

    var payouts: [PayoutID: Payout] = [:]
    for payout in changes.flatMap(\.payouts) { payouts[payout.id] = payout }
    let sorted = payouts.values.sorted { $0.id < $1.id }
    newPayouts = sorted.filter { loaded.payouts[$0.id] == nil }
    updatedPayouts = sorted.compactMap { payout in
      loaded.payouts[payout.id].map { PayoutUpdate(payout: payout, versionBefore: $0.version) }
    }

    reversals = changes.flatMap(\.reversed).sorted().compactMap { key in
      after.postings[key].map { Reversal(posting: key, rows: $0.rows.count) }
    }
    rows = changes.flatMap(\.rows)
    voided = changes.flatMap(\.voided)
    requests = changes.flatMap(\.requests)
    audits = changes.flatMap(\.audits)
    records = changes.flatMap(\.records)
    let touched = Set(rows.compactMap { $0.walletEntry?.owner }).subtracting([.platform]).sorted()
    let walletsChanged = touched.isEmpty ? [] : [LedgerEvent(.walletsChanged, users: touched)]
    events = walletsChanged + changes.flatMap(\.events)
  }
}
