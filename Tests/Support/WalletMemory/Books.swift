import Kernel
import WalletDomain

/// A copy of the whole books, and the invariants that must hold for it after every commit (DOMAIN 7.7).
public struct Books: Sendable {
  public let wallets: [Wallet]
  public let rows: [LedgerRow]
  public let holds: [Hold]
  public let voided: [VoidedPosting]
  public let audits: [WalletAudit]
  public let closedWallets: [Wallet]
  /// Deleted ones too.
  public let payouts: [Payout]
  public let records: [AuditRecord]
  public let events: [LedgerEvent]

  public init(
    wallets: [Wallet], rows: [LedgerRow], holds: [Hold], voided: [VoidedPosting] = [], audits: [WalletAudit] = [],
    closedWallets: [Wallet] = [], payouts: [Payout] = [], records: [AuditRecord] = [], events: [LedgerEvent] = []
  ) {
    self.wallets = wallets
    self.rows = rows
    self.holds = holds
    self.voided = voided
    self.audits = audits
    self.closedWallets = closedWallets
    self.payouts = payouts
    self.records = records
    self.events = events
  }

  public func wallet(of owner: UserID) -> Wallet? { wallets.first { $0.owner == owner } }

  /// What contradicts the invariants 1–4, 6, 7 and 9, or leaves a leg without its audit entry; empty if
  /// all is well.
  public var contradictions: [String] {
    contradictionsWithoutAudits + missingAudits
  }

  /// The same for books that were read without the audit entries.
  public var contradictionsWithoutAudits: [String] {
    unbalancedPostings + wrongBalances + wrongTotals + wrongVersions + voidedAndPosted
  }

  /// 1: debits equal credits in every posting.
  private var unbalancedPostings: [String] {
    Dictionary(grouping: rows.filter { !$0.leg.isMemo }, by: \.posting).compactMap { key, rows in
      let net = rows.reduce(Int64(0)) { $0 + $1.signedPaise }
      return net == 0 ? nil : "posting \(key.text) is off by \(net)"
    }
  }

  /// 2 and 4: a balance is the sum of its rows, and not negative.
  private var wrongBalances: [String] {
    var sums: [Slot: Int64] = [:]
    for row in rows {
      guard let entry = row.walletEntry, entry.changesBalance else { continue }
      sums[Slot(wallet: entry.walletID, bucket: entry.bucket), default: 0] += row.signedPaise
    }
    return wallets.flatMap { wallet in
      Bucket.allCases.compactMap { bucket -> String? in
        let balance = wallet.balances[bucket].paise
        let sum = sums[Slot(wallet: wallet.id, bucket: bucket)] ?? 0
        if balance < 0 { return "\(bucket) of \(wallet.id) is \(balance)" }
        return balance == sum ? nil : "\(bucket) of \(wallet.id) is \(balance), its rows say \(sum)"
      }
    }
  }

  /// 3: what is inside came from outside. 6: locked money is held. 7: pending money is held.
  private var wrongTotals: [String] {
    var problems: [String] = []
    let inside = wallets.reduce(Int64(0)) { $0 + $1.balances.available.paise + $1.balances.locked.paise }
    let entered = rows.filter { $0.walletEntry == nil && !$0.leg.isMemo }.reduce(Int64(0)) { $0 - $1.signedPaise }
    if inside != entered { problems.append("\(inside) inside, but \(entered) entered") }

    let open = holds.filter(\.isOpen)
    for wallet in wallets {
      let held = open.filter { $0.terms?.owner == wallet.owner }.reduce(Int64(0)) { $0 + $1.amount.paise }
      let paying = payouts.filter { $0.beneficiary == wallet.owner && $0.status.isOpen && $0.deletedAt == nil }
        .reduce(Int64(0)) { $0 + $1.amount.paise }
      if held + paying != wallet.balances.locked.paise {
        problems.append("\(wallet.owner) has \(wallet.balances.locked) locked, but keeps \(held) and \(paying)")
      }
    }
    let pending = wallets.reduce(Int64(0)) { $0 + $1.balances.pending.paise }
    let expected = open.compactMap(\.terms).reduce(Int64(0)) { $0 + $1.commission.paise + $1.margin.paise }
    if pending != expected { problems.append("\(pending) pending, but holds promise \(expected)") }
    return problems
  }

  /// 9: versions have no gap, and each row follows from the one before in its bucket.
  private var wrongVersions: [String] {
    var problems: [String] = []
    let byWallet = Dictionary(grouping: rows.filter { $0.walletEntry?.changesBalance == true }) {
      $0.walletEntry?.walletID
    }
    for wallet in wallets {
      let own = (byWallet[wallet.id] ?? []).sorted { $0.place < $1.place }
      let versions = Set(own.compactMap { $0.walletEntry?.versionAfter })
      if versions.count != Int(wallet.version) || versions.max() ?? 0 != wallet.version {
        problems.append("\(wallet.id) has version \(wallet.version), its rows have \(versions.sorted())")
      }
      var running: [Bucket: Int64] = [:]
      for row in own {
        guard let entry = row.walletEntry else { continue }
        running[entry.bucket, default: 0] += row.signedPaise
        if running[entry.bucket] != entry.balanceAfter?.paise {
          problems.append("row \(row.idempotencyKey) claims \(String(describing: entry.balanceAfter)) afterwards")
        }
      }
    }
    return problems
  }

  private var voidedAndPosted: [String] {
    let posted = Set(rows.map(\.posting))
    return voided.filter { posted.contains($0.key) }.map { "\($0.key.text) is voided and posted" }
  }

  private var missingAudits: [String] {
    let expected = rows.filter { $0.walletEntry?.bucket == .available && !$0.leg.isMemo }.map(\.idempotencyKey)
    let actual = audits.map(\.rowKey)
    return expected.sorted() == actual.sorted() ? [] : ["\(expected.count) audited legs, \(actual.count) entries"]
  }

  private struct Slot: Hashable {
    let wallet: WalletID
    let bucket: Bucket
  }
}

extension LedgerRow {
  /// Where the row stands in its wallet's history.
  fileprivate var place: (Int64, Int) { (walletEntry?.versionAfter ?? 0, number) }
}
