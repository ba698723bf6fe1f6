import Kernel
import WalletDomain

/// Follows the books batch by batch and checks each against the invariants (DOMAIN 7.7): in the cost of the batch, not
/// of the books, so that it can be done after every operation.
///
/// It shares nothing with the domain but the shape of the rows.
struct LedgerAuditor {
  /// A wallet as its rows tell it.
  private struct Account {
    let id: WalletID
    let owner: UserID
    let kind: OwnerKind
    var balances: [Bucket: Int64] = [:]
    var version: Int64 = 0
  }

  private var accounts: [WalletID: Account] = [:]
  private var entered: Int64 = 0
  private var holds: [HoldNumber: Hold] = [:]
  private var posted: Set<String> = []
  private var voided: Set<String> = []
  /// Of each order: settlements without a reversal, and what the last one was.
  private var settlements: [OrderID: Int] = [:]
  private var settled: [OrderID: [Part]] = [:]
  private var openings: [UserID: WalletID] = [:]
  private var payouts = PayoutAuditor()
  private var batches = 0
  private let limits: WalletLimits
  /// What was available to whom, one state after the other; nil while there is no wallet.
  private(set) var history: [UserID: [(batch: Int, available: Int64?)]] = [:]

  init(limits: WalletLimits) {
    self.limits = limits
  }

  func isPosted(_ key: String) -> Bool { posted.contains(key) }
  func isVoided(_ key: String) -> Bool { voided.contains(key) }
  func payout(_ number: Int) -> PayoutID? { payouts.payout(number) }
  func payout(recordedAs isWanted: (String) -> Bool) -> PayoutID? {
    payouts.payout(recordedAs: isWanted)
  }
  func statuses(of payout: PayoutID, since batch: Int) -> [PayoutStatus] {
    payouts.statuses(of: payout, since: batch)
  }
  func hold(_ number: HoldNumber) -> Hold? { holds[number] }
  func settlements(of order: OrderID) -> Int { settlements[order] ?? 0 }

  /// Every state of the owner's available money from the batch on, the one that it started with included.
  func available(to owner: UserID, since batch: Int) -> [Int64?] {
    let all = history[owner] ?? []
    let before = all.last { $0.batch <= batch }?.available
    return [before] + all.filter { $0.batch > batch }.map(\.available)
  }

  /// Nil when there is none.
  func ceiling(ofWalletOf owner: UserID) -> Int64? {
    openings[owner].flatMap { accounts[$0] }.flatMap { ceiling(of: $0.kind) }
  }

  /// Batches examined so far.
  var count: Int { batches }

  /// What the batch breaks.
  mutating func examine(_ batch: LedgerBatch) -> [String] {
    batches += 1
    var problems: [String] = []
    let closed = Set(
      (batch.updatedWallets.map(\.wallet) + batch.openedWallets).filter { $0.closedAt != nil }.map(
        \.id))
    for wallet in batch.openedWallets { problems += open(wallet, closed) }
    var rows = batch.rows[...]
    while let first = rows.first {
      let legs = rows.prefix { $0.posting == first.posting }
      rows = rows.dropFirst(legs.count)
      problems += examine(posting: first.posting, Array(legs))
    }
    problems += examineHolds(batch)
    for refusal in batch.voided where !voided.insert(refusal.key.text).inserted {
      problems.append("\(refusal.key.text) is voided twice")
    }
    problems += posted.intersection(batch.voided.map(\.key.text)).map {
      "\($0) is voided after it was posted"
    }
    problems += payouts.examine(batch, number: batches, isPosted: { posted.contains($0) })
    problems += examineWallets(batch) + examineTotals() + examineAudits(batch)
    return problems
  }

  /// `closed` are the wallets that the same batch closes.
  private mutating func open(_ wallet: Wallet, _ closed: Set<WalletID>) -> [String] {
    let other = openings[wallet.owner]
    accounts[wallet.id] = Account(id: wallet.id, owner: wallet.owner, kind: wallet.kind)
    openings[wallet.owner] = wallet.id
    if other != nil { history[wallet.owner, default: []].append((batches, nil)) }
    history[wallet.owner, default: []].append((batches, 0))
    return other.map(closed.contains) ?? true ? [] : ["\(wallet.owner) has two wallets"]
  }

  private mutating func examine(posting key: PostingKey, _ legs: [LedgerRow]) -> [String] {
    var problems: [String] = []
    if !posted.insert(key.text).inserted { problems.append("\(key.text) is posted twice") }
    if voided.contains(key.text) { problems.append("\(key.text) is posted after it was voided") }
    if legs.map(\.number) != Array(1...legs.count) {
      problems.append("\(key.text) has legs \(legs.map(\.number))")
    }
    if legs.map({ $0.fingerprint != nil }) != [true]
      + Array(repeating: false, count: legs.count - 1)
    {
      problems.append("\(key.text) has not one fingerprint, on its first leg")
    }
    let moved = legs.filter { !$0.leg.isMemo }
    if moved.reduce(Int64(0), { $0 + $1.change }) != 0 {
      problems.append("\(key.text) is not balanced")
    }
    let directions = moved.map(\.leg.direction)
    if directions != directions.filter({ $0 == .debit }) + directions.filter({ $0 == .credit }) {
      problems.append("\(key.text) credits before it debits")
    }
    var touched: Set<WalletID> = []
    for row in legs { problems += apply(row, &touched, at: legs[0].createdAt) }
    if let order = legs.first?.leg.links.order { problems += examine(key, of: order, moved) }
    return problems
  }

  /// What a settlement or a reversal takes from whom, or gives him.
  private struct Part: Hashable {
    let owner: UserID?
    let change: Int64
  }

  /// One settlement at a time, and a reversal takes back exactly what it gave.
  private mutating func examine(_ key: PostingKey, of order: OrderID, _ moved: [LedgerRow]) -> [String] {
    let parts = moved.map { Part(owner: $0.walletEntry?.owner, change: $0.change) }
    if key.text.hasPrefix("order-settle:") {
      settlements[order, default: 0] += 1
      settled[order] = parts
    } else if key.text.hasPrefix("order-unsettle:") {
      settlements[order, default: 0] -= 1
      let expected = (settled[order] ?? []).map { Part(owner: $0.owner, change: -$0.change) }
      if Dictionary(grouping: parts, by: { $0 }) != Dictionary(grouping: expected, by: { $0 }) {
        return ["\(key.text) is not what it takes back"]
      }
    }
    return (0...1).contains(settlements[order] ?? 0)
      ? [] : ["order \(order) is settled \(settlements[order] ?? 0) times"]
  }

  private mutating func apply(_ row: LedgerRow, _ touched: inout Set<WalletID>, at time: Timestamp) -> [String] {
    var problems: [String] = []
    if row.leg.amount < Money(paise: 1) {
      problems.append("\(row.idempotencyKey) moves \(row.leg.amount)")
    }
    if row.createdAt != time {
      problems.append("\(row.idempotencyKey) is not of its posting's time")
    }
    guard let entry = row.walletEntry else {
      entered -= row.change
      return problems
    }
    guard var account = accounts[entry.walletID] else {
      return problems + ["\(row.idempotencyKey) has no wallet"]
    }
    if row.leg.isMemo, entry.bucket != .pending {
      // The record of a payment made elsewhere.
      let isRecord = entry.balanceAfter == nil && entry.versionAfter == nil
      return problems
        + (isRecord ? [] : ["\(row.idempotencyKey) is a record that changes something"])
    }
    if touched.insert(entry.walletID).inserted { account.version += 1 }
    account.balances[entry.bucket, default: 0] += row.change
    let balance = account.balances[entry.bucket] ?? 0
    accounts[entry.walletID] = account
    if balance < 0 { problems.append("\(entry.bucket) of \(account.owner) is \(balance)") }
    let available = entry.bucket == .available ? nil : account.balances[.available] ?? 0
    if entry.balanceAfter?.paise != balance || entry.availableAfter?.paise != available
      || entry.versionAfter != account.version || entry.owner != account.owner
    {
      problems.append("\(row.idempotencyKey) does not follow from the row before")
    }
    if entry.bucket == .available {
      history[account.owner, default: []].append((batches, balance))
      if row.leg.direction == .credit, let ceiling = ceiling(of: account.kind), balance > ceiling,
        ![.lockRelease, .payoutFailed, .refund].contains(row.leg.type)
      {
        problems.append(
          "\(row.idempotencyKey) lifts \(account.owner) to \(balance), above the ceiling")
      }
    }
    return problems
  }

  private func ceiling(of kind: OwnerKind) -> Int64? {
    switch kind {
    case .shopper, .mediator: limits.balanceMax.paise
    case .agency, .brand: limits.businessBalanceMax.paise
    case .platform: nil
    }
  }

  private mutating func examineHolds(_ batch: LedgerBatch) -> [String] {
    var problems: [String] = []
    for hold in batch.closedHolds {
      if holds[hold.number]?.isOpen != true || hold.isOpen {
        problems.append("\(hold.number) is closed, but was not open")
      }
      if holds[hold.number]?.terms != hold.terms {
        problems.append("\(hold.number) has other terms than before")
      }
      holds[hold.number] = hold
    }
    for hold in batch.newHolds {
      if let before = holds[hold.number] {
        problems.append("\(hold.number) was there before, \(before.state)")
      }
      holds[hold.number] = hold
    }
    let open = holds.values.filter(\.isOpen).map(\.number.order)
    if Set(open).count != open.count { problems.append("an order has two open holds") }
    return problems
  }

  /// The wallets that the batch stores are what its rows say, and those that it closes are empty.
  private mutating func examineWallets(_ batch: LedgerBatch) -> [String] {
    (batch.openedWallets + batch.updatedWallets.map(\.wallet)).flatMap { wallet -> [String] in
      let account = accounts[wallet.id]
      let isRight =
        account?.version == wallet.version
        && Bucket.allCases.allSatisfy { account?.balances[$0] ?? 0 == wallet.balances[$0].paise }
      var problems =
        isRight ? [] : ["\(wallet.owner) is stored as \(wallet.balances) version \(wallet.version)"]
      if wallet.closedAt != nil {
        if wallet.balances != .zero {
          problems.append("\(wallet.owner) is closed with \(wallet.balances)")
        }
        if openings[wallet.owner] == wallet.id {
          openings[wallet.owner] = nil
          history[wallet.owner, default: []].append((batches, nil))
        }
      }
      return problems
    }
  }

  private func examineTotals() -> [String] {
    var problems: [String] = []
    let inside = accounts.values.reduce(Int64(0)) {
      $0 + ($1.balances[.available] ?? 0) + ($1.balances[.locked] ?? 0)
    }
    if inside != entered { problems.append("\(inside) inside, but \(entered) entered") }
    let open = holds.values.filter(\.isOpen).compactMap(\.terms)
    for account in accounts.values {
      let locked = account.balances[.locked] ?? 0
      guard openings[account.owner] == account.id else {
        if locked != 0 {
          problems.append("\(account.owner) has \(locked) locked in a closed wallet")
        }
        continue
      }
      let held = open.filter { $0.owner == account.owner }.reduce(Int64(0)) { $0 + $1.amount.paise }
      let leaving = payouts.open(of: account.owner)
      if held + leaving != locked {
        problems.append(
          "\(account.owner) has \(locked) locked, but holds of \(held) and payouts of \(leaving)")
      }
    }
    let pending = accounts.values.reduce(Int64(0)) { $0 + ($1.balances[.pending] ?? 0) }
    let promised = open.reduce(Int64(0)) { $0 + $1.commission.paise + $1.margin.paise }
    if pending != promised { problems.append("\(pending) pending, but holds promise \(promised)") }
    return problems
  }

  private func examineAudits(_ batch: LedgerBatch) -> [String] {
    let expected = batch.rows.filter { $0.walletEntry?.bucket == .available && !$0.leg.isMemo }.map(
      \.idempotencyKey)
    let actual = batch.audits.map(\.rowKey)
    return expected.sorted() == actual.sorted()
      ? [] : ["\(expected.count) audited legs, \(actual.count) entries"]
  }
}

extension LedgerRow {
  /// What the leg does to its bucket.
  fileprivate var change: Int64 { leg.direction == .credit ? leg.amount.paise : -leg.amount.paise }
}
