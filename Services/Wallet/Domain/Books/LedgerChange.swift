import Kernel

/// What one decided command writes: all of it or nothing.
public struct LedgerChange: Sendable {
  /// Whoever is responsible, for the audit log.
  public let actor: Actor
  /// Every wallet that is opened, touched or closed, as it is afterwards.
  public internal(set) var wallets: [Wallet] = []
  public internal(set) var postings: [KnownPosting] = []
  /// Every hold that is opened or closed, as it is afterwards.
  public internal(set) var holds: [Hold] = []
  public internal(set) var voided: [VoidedPosting] = []
  public internal(set) var requests: [StoredRequest] = []
  /// Earlier postings whose rows are reversed by this change.
  public internal(set) var reversed: [PostingKey] = []
  /// Every payout that is made or changed, as it is afterwards.
  public internal(set) var payouts: [Payout] = []
  /// Audit entries beside those that the rows make.
  public internal(set) var records: [AuditRecord] = []
  /// Events beside the one that the rows make.
  public internal(set) var events: [LedgerEvent] = []

  init(actor: Actor) {
    self.actor = actor
  }

  public var rows: [LedgerRow] { postings.flatMap(\.rows) }

  /// One entry per leg that moved spendable money (DOMAIN 10).
  public var audits: [WalletAudit] {
    rows.compactMap { row in
      guard let entry = row.walletEntry, entry.bucket == .available, !row.leg.isMemo else { return nil }
      return WalletAudit(
        action: row.leg.direction == .credit ? .credit : .debit, wallet: entry.walletID, amount: row.leg.amount,
        type: row.leg.type, rowKey: row.idempotencyKey, posting: row.posting, actor: actor, at: row.createdAt)
    }
  }
}

/// An audit entry about spendable money.
public struct WalletAudit: Hashable, Sendable {
  public enum Action: String, Sendable {
    case credit = "WALLET_CREDIT"
    case debit = "WALLET_DEBIT"
  }

  public let action: Action
  public let wallet: WalletID
  public let amount: Money
  public let type: TransactionType
  /// The leg's unique key, from which the entry's event id derives: a repeat is recognised.
  public let rowKey: String
  public let posting: PostingKey
  public let actor: Actor
  public let at: Timestamp
}
