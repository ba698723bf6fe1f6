import Kernel
import WalletDomain

extension InMemoryLedger: WalletStore {
  public func wallet(of owner: UserID) async throws -> Wallet? {
    state.withLock { $0.wallets[owner] }
  }

  public func wallet(_ id: WalletID) async throws -> Wallet? {
    state.withLock { state in state.wallets.values.first { $0.id == id } }
  }

  public func transactions(_ filter: TransactionFilter, _ page: PageRequest) async throws -> Page<LedgerRow> {
    let all = state.withLock { Array($0.rows.values) }
    let matching = all.filter { row in
      (filter.owner == nil || row.walletEntry?.owner == filter.owner)
        && (filter.wallet == nil || row.walletEntry?.walletID == filter.wallet)
        && (filter.type == nil || row.leg.type == filter.type)
        && (filter.order == nil || row.leg.links.order == filter.order)
        && (filter.payout == nil || row.leg.links.payout == filter.payout)
        && (filter.from.map { row.createdAt >= $0 } ?? true) && (filter.to.map { row.createdAt < $0 } ?? true)
        && (filter.includesMemo || !row.leg.isMemo)
    }
    return Self.page(matching, page) { Cursor(createdAt: $0.createdAt, id: $0.id.value) }
  }

  public func agencyPayments(of brand: UserID, _ page: PageRequest) async throws -> Page<LedgerRow> {
    let all = state.withLock { Array($0.rows.values) }
    let matching = all.filter { $0.leg.type == .agencyPayout && $0.leg.links.from == brand }
    return Self.page(matching, page) { Cursor(createdAt: $0.createdAt, id: $0.id.value) }
  }

  public func balances(of wallet: WalletID, at moment: Timestamp) async throws -> PastBalances {
    let entries = state.withLock { state in
      state.rows.values.filter { row in
        row.walletEntry?.walletID == wallet && row.walletEntry?.changesBalance == true && row.createdAt <= moment
      }.sorted { left, right in
        (left.createdAt, left.walletEntry?.versionAfter ?? 0, left.number)
          < (right.createdAt, right.walletEntry?.versionAfter ?? 0, right.number)
      }.compactMap(\.walletEntry)
    }
    func last(_ bucket: Bucket) -> Money { entries.last { $0.bucket == bucket }?.balanceAfter ?? .zero }
    let ends = Bucket.allCases.compactMap { bucket in entries.last { $0.bucket == bucket }?.versionAfter }
    return PastBalances(
      balances: Balances(available: last(.available), locked: last(.locked), pending: last(.pending)),
      version: ends.max() ?? 0)
  }

  public func payout(_ id: PayoutID) async throws -> Payout? {
    state.withLock { $0.payouts[id].flatMap { $0.deletedAt == nil ? $0 : nil } }
  }

  public func payouts(_ filter: PayoutFilter, _ page: PageRequest) async throws -> Page<Payout> {
    let all = state.withLock { Array($0.payouts.values) }
    let matching = all.filter { payout in
      payout.deletedAt == nil && (filter.beneficiary == nil || payout.beneficiary == filter.beneficiary)
        && (filter.network == nil
          || payout.agencyCode == filter.network && [.agency, .mediator].contains(payout.beneficiaryKind))
        && (filter.status == nil || payout.status == filter.status)
        && (filter.from.map { payout.requestedAt >= $0 } ?? true) && (filter.to.map { payout.requestedAt < $0 } ?? true)
    }
    return Self.page(matching, page) { Cursor(createdAt: $0.requestedAt, id: $0.id.value) }
  }

  public func totals() async throws -> WalletTotals {
    state.withLock { state in
      func sum(_ amounts: [Money]) -> Money { Money(paise: amounts.reduce(0) { $0 + $1.paise }) }
      let open = state.holds.values.filter(\.isOpen)
      return WalletTotals(
        wallets: Dictionary(grouping: state.wallets.values, by: \.kind).mapValues { wallets in
          WalletTotals.Wallets(
            count: Int64(wallets.count),
            balances: Balances(
              available: sum(wallets.map(\.balances.available)), locked: sum(wallets.map(\.balances.locked)),
              pending: sum(wallets.map(\.balances.pending))))
        },
        payouts: Dictionary(grouping: state.payouts.values.filter { $0.deletedAt == nil }, by: \.status).mapValues {
          WalletTotals.Amounts(count: Int64($0.count), amount: sum($0.map(\.amount)))
        },
        openHolds: WalletTotals.Amounts(count: Int64(open.count), amount: sum(open.map(\.amount))))
    }
  }

  public func snapshot() async throws -> any LedgerSnapshot { books }

  public func append(_ record: AuditRecord) async throws {
    state.withLock { $0.records.append(record) }
  }

  private static func page<Item>(_ items: [Item], _ page: PageRequest, _ place: (Item) -> Cursor) -> Page<Item> {
    func key(_ item: Item) -> (Timestamp, ObjectID) { (place(item).createdAt, place(item).id) }
    let sorted = items.sorted { key($1) < key($0) }
    let rest = sorted.filter { item in page.after.map { key(item) < ($0.createdAt, $0.id) } ?? true }
    let items = Array(rest.prefix(page.size))
    let total = page.includeTotal ? min(Int64(sorted.count), PageLimits.totalMax) : nil
    return Page(items: items, next: rest.count > items.count ? items.last.map(place) : nil, total: total)
  }
}

extension Books: LedgerSnapshot {
  public func wallets(after id: WalletID?, limit: Int) async throws -> [Wallet] {
    let sorted = (wallets + closedWallets).sorted { $0.id < $1.id }
    return Array(sorted.filter { wallet in id.map { wallet.id > $0 } ?? true }.prefix(limit))
  }

  public func rows(after lower: String, below upper: String?, limit: Int) async throws -> [LedgerRow] {
    let sorted = rows.sorted { Self.isBelow($0.idempotencyKey, $1.idempotencyKey) }.filter { row in
      Self.isBelow(lower, row.idempotencyKey) && (upper.map { Self.isBelow(row.idempotencyKey, $0) } ?? true)
    }
    return Array(sorted.prefix(limit))
  }

  public func statements(from place: StatementPlace?, limit: Int) async throws -> [LedgerRow] {
    func key(_ row: LedgerRow) -> (WalletID, Int64)? {
      row.walletEntry.map { ($0.walletID, -row.createdAt.milliseconds) }
    }
    let sorted = rows.compactMap { row in key(row).map { ($0, row) } }.sorted { $0.0 < $1.0 }
    return Array(
      sorted.filter { entry in place.map { entry.0 >= ($0.wallet, -$0.at.milliseconds) } ?? true }.map(\.1)
        .prefix(limit))
  }

  public func heldAmounts(of wallets: [Wallet]) async throws -> [WalletID: Money] {
    Self.sums(holds.filter(\.isOpen).compactMap(\.terms).map { ($0.walletID, $0.amount) }, wallets)
  }

  public func openPayoutAmounts(of wallets: [Wallet]) async throws -> [WalletID: Money] {
    Self.sums(payouts.filter { $0.status.isOpen && $0.deletedAt == nil }.map { ($0.walletID, $0.amount) }, wallets)
  }

  public func holdTotals() async throws -> HoldTotals {
    let open = holds.filter(\.isOpen).compactMap(\.terms)
    return HoldTotals(
      count: Int64(holds.count), open: Money(paise: open.reduce(0) { $0 + $1.amount.paise }),
      promised: Money(paise: open.reduce(0) { $0 + $1.commission.paise + $1.margin.paise }))
  }

  public func payouts(after id: PayoutID?, limit: Int) async throws -> [Payout] {
    Array(payouts.sorted { $0.id < $1.id }.filter { payout in id.map { payout.id > $0 } ?? true }.prefix(limit))
  }

  public func rows(of payouts: [PayoutID]) async throws -> [LedgerRow] {
    rows.filter { row in row.leg.links.payout.map(payouts.contains) ?? false }
  }

  private static func isBelow(_ left: String, _ right: String) -> Bool {
    left.utf8.lexicographicallyPrecedes(right.utf8)
  }

  private static func sums(_ amounts: [(WalletID, Money)], _ wallets: [Wallet]) -> [WalletID: Money] {
    let wanted = Set(wallets.map(\.id))
    return Dictionary(amounts.filter { wanted.contains($0.0) }, uniquingKeysWith: { Money(paise: $0.paise + $1.paise) })
  }
}
