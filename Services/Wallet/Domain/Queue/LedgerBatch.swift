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

  /// `loaded` is the ledger before the first of the changes.
  public init(_ changes: [LedgerChange], on loaded: Ledger, at now: Timestamp) {
    id = TransactionID.generate(at: now).rawValue
    number = loaded.batchesCommitted + 1
    at = now
    var after = loaded
    for change in changes { after.apply(change) }

    let owners = Set(changes.flatMap(\.wallets).map(\.owner))
    let wallets = owners.compactMap { after.wallets[$0] }.sorted { $0.id < $1.id }
    openedWallets = wallets.filter { loaded.wallets[$0.owner] == nil }
    updatedWallets = wallets.compactMap { wallet in
      loaded.wallets[wallet.owner].map { WalletUpdate(wallet: wallet, versionBefore: $0.version) }
    }

    var numbers: Set<HoldNumber> = []
    let holds = changes.flatMap(\.holds).map(\.number).filter { numbers.insert($0).inserted }
      .compactMap { after.holds[$0] }
    newHolds = holds.filter { loaded.holds[$0.number] == nil }
    closedHolds = holds.filter { loaded.holds[$0.number] != nil }

    rows = changes.flatMap(\.rows)
    voided = changes.flatMap(\.voided)
    requests = changes.flatMap(\.requests)
    audits = changes.flatMap(\.audits)
  }
}
