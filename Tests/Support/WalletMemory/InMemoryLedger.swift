import Kernel
import Synchronization
import WalletDomain

/// The whole books in memory, with the same conditions and unique keys as the real store, and faults to order.
///
/// The contract suite runs on it and on MongoDB, so that it cannot promise what the database does not keep.
public final class InMemoryLedger: Sendable {
  /// What goes wrong with one commit.
  public enum Fault: CaseIterable, Sendable {
    /// The process loses the database before anything is written.
    case failBefore
    /// Written, but the reply is lost.
    case unknownAfterWriting
    /// Not written, and the reply is lost.
    case unknownBeforeWriting
    /// Another writer commits first.
    case loseRace
    /// A unique key turns out to be taken.
    case duplicate
    /// Written, but the reply is lost, and finding out fails as well.
    case unknownForGood
    /// Another process takes the lease first, and gives it back at once.
    case deposed
  }

  struct State: Sendable {
    var batchesCommitted: Int64 = 0
    var token: Int64 = 0
    /// Nil once it has run out or was given back.
    var holder: String?
    var lastBatch = ""
    var lastAt: Timestamp?
    var wallets: [UserID: Wallet] = [:]
    var holds: [HoldNumber: Hold] = [:]
    var rows: [String: LedgerRow] = [:]
    /// The same rows by posting, in order of their numbers.
    var postings: [PostingKey: [LedgerRow]] = [:]
    var settlements: [SettlementNumber: PostingKey] = [:]
    var journal: [LedgerBatch] = []
    var voided: [PostingKey: VoidedPosting] = [:]
    var requests: [RequestKey: StoredRequest] = [:]
    var audits: [WalletAudit] = []
    var closedWallets: [Wallet] = []
    /// Deleted ones too.
    var payouts: [PayoutID: Payout] = [:]
    var records: [AuditRecord] = []
    var events: [LedgerEvent] = []
    var faults: [Fault?] = []
    var isUndecided = false
    var commits = 0
  }

  let state = Mutex(State())

  public init() {}

  /// The next commits go wrong like this, one after the other; nil stands for one that goes well.
  public func inject(_ faults: [Fault?]) {
    state.withLock { $0.faults.append(contentsOf: faults) }
  }

  /// Nothing goes wrong any more.
  public func heal() {
    state.withLock { state in
      state.faults = []
      state.isUndecided = false
    }
  }

  /// What was committed, batch by batch, from the given one on.
  public func batches(from index: Int) -> ArraySlice<LedgerBatch> {
    state.withLock { $0.journal[index...] }
  }

  public var books: Books {
    state.withLock { state in
      Books(
        wallets: Array(state.wallets.values), rows: Array(state.rows.values), holds: Array(state.holds.values),
        voided: Array(state.voided.values), audits: state.audits, closedWallets: state.closedWallets,
        payouts: Array(state.payouts.values), records: state.records, events: state.events)
    }
  }

  /// What the holder of the lease finds out only when it writes: its time is over.
  public func expireLease() {
    state.withLock { $0.holder = nil }
  }

  /// Commits that were asked for, successful or not.
  public var commits: Int { state.withLock { $0.commits } }
}

extension InMemoryLedger: LedgerStore {
  public func read(_ needs: LedgerNeeds, at now: Timestamp) async throws -> Ledger {
    try await load(needs, at: now)
  }

  public func lease() async throws -> LeaseReading? {
    state.withLock { state in
      state.token == 0
        ? nil
        : LeaseReading(
          holder: state.holder ?? "", token: state.token, remaining: state.holder == nil ? .zero : WriterTerm.lease)
    }
  }

  public func claim(as holder: String) async throws -> LeaseClaim {
    state.withLock { state in
      if let other = state.holder, other != holder {
        return .held(LeaseReading(holder: other, token: state.token, remaining: WriterTerm.lease))
      }
      state.holder = holder
      state.token += 1
      return .granted(
        WriterTerm(
          token: state.token, batches: state.batchesCommitted, until: .after(WriterTerm.lease), lastAt: state.lastAt))
    }
  }

  public func renew(_ term: WriterTerm) async throws -> Bool {
    state.withLock { $0.token == term.token }
  }

  public func release(_ term: WriterTerm) async throws {
    state.withLock { if $0.token == term.token { $0.holder = nil } }
  }

  public func load(_ needs: LedgerNeeds, at now: Timestamp) async throws -> Ledger {
    state.withLock { state in
      let holds = state.holds.values.filter { needs.orders.contains($0.number.order) }
      var owners = needs.owners
      for terms in holds.filter(\.isOpen).compactMap(\.terms) {
        owners.formUnion([terms.owner, terms.buyer, terms.mediator])
      }
      let payouts = state.payouts.values.filter { payout in
        needs.payoutRequests.contains(payout.requestKey ?? "")
          || payout.deletedAt == nil
            && (needs.payouts.contains(payout.id) || payout.reference.map(needs.references.contains) ?? false
              || payout.status.isOpen && needs.openPayoutsOf.contains(payout.beneficiary))
      }
      owners.formUnion(payouts.filter { needs.payouts.contains($0.id) }.map(\.beneficiary))
      let settled = needs.settlements.compactMap { state.settlements[$0] }
      for fingerprint in settled.compactMap({ state.postings[$0]?.first?.fingerprint }) {
        owners.formUnion(Fingerprint(stored: fingerprint).orderParts?.parties ?? [])
      }
      let postings = needs.postings.union(settled).compactMap { key -> KnownPosting? in
        let rows = state.postings[key] ?? []
        return rows.first?.fingerprint.map { .init(key: key, fingerprint: .init(stored: $0), rows: rows) }
      }
      return Ledger(
        batchesCommitted: state.batchesCommitted, wallets: owners.compactMap { state.wallets[$0] }, holds: holds,
        postings: postings, voided: needs.voidable.compactMap { state.voided[$0] },
        requests: needs.requests.compactMap { state.requests[$0] }, payouts: payouts)
    }
  }

  public func commit(_ batch: LedgerBatch, onWritten: @escaping @Sendable () -> Void) async throws -> CommitOutcome {
    onWritten()
    return try state.withLock { state in
      state.commits += 1
      let fault: Fault? = state.faults.isEmpty ? nil : state.faults.removeFirst()
      switch fault {
      case .failBefore: throw Failure(.databaseUnavailable, "the database is away")
      case .unknownBeforeWriting: return .unknown
      case .loseRace: return .lostRace
      case .deposed:
        state.token += 1
        state.holder = nil
        return .deposed
      case .duplicate: return .duplicate
      case nil, .unknownAfterWriting, .unknownForGood: break
      }
      let outcome = Self.write(batch, to: &state)
      guard fault != nil, case .committed = outcome else { return outcome }
      state.isUndecided = fault == .unknownForGood
      return .unknown
    }
  }

  public func settle(_ batch: LedgerBatch) async throws -> SettledOutcome {
    try state.withLock { state in
      if state.isUndecided {
        state.isUndecided = false
        throw Failure(.databaseUnavailable, "the database is away")
      }
      if state.lastBatch == batch.id { return .committed }
      guard state.token == batch.token else { return .deposed }
      if state.batchesCommitted == batch.number - 1 { state.batchesCommitted = batch.number }
      return .notCommitted
    }
  }

  /// All conditions first, then all writes.
  private static func write(_ batch: LedgerBatch, to state: inout State) -> CommitOutcome {
    guard state.token == batch.token, state.batchesCommitted == batch.number - 1 else { return .deposed }
    guard
      batch.updatedWallets.allSatisfy({
        state.wallets[$0.wallet.owner]?.version == $0.versionBefore
          && state.wallets[$0.wallet.owner]?.id == $0.wallet.id
      }),
      batch.closedHolds.allSatisfy({ state.holds[$0.number]?.isOpen == true }),
      batch.updatedPayouts.allSatisfy({ update in
        let stored = state.payouts[update.payout.id]
        return stored?.version == update.versionBefore && stored?.deletedAt == nil
      }),
      batch.reversals.allSatisfy({ reversal in
        reversal.rows
          == ((state.postings[reversal.posting] ?? []) + batch.rows.filter { $0.posting == reversal.posting })
          .count { $0.status == .completed }
      })
    else { return .lostRace }
    var holds = state.holds
    for hold in batch.closedHolds { holds[hold.number] = hold }
    var wallets = state.wallets
    for wallet in batch.updatedWallets.map(\.wallet) { wallets[wallet.owner] = wallet.closedAt == nil ? wallet : nil }
    var payouts = state.payouts
    for payout in batch.updatedPayouts.map(\.payout) + batch.newPayouts { payouts[payout.id] = payout }
    let opened = batch.openedWallets.filter { $0.closedAt == nil }
    guard opened.allSatisfy({ wallets[$0.owner] == nil }), Self.areUnique(payouts.values),
      batch.rows.allSatisfy({ state.rows[$0.idempotencyKey] == nil }),
      batch.newHolds.allSatisfy({ holds[$0.number] == nil }),
      batch.voided.allSatisfy({ state.voided[$0.key] == nil }),
      batch.requests.allSatisfy({ state.requests[$0.key] == nil })
    else { return .duplicate }
    for hold in batch.newHolds { holds[hold.number] = hold }
    let open = holds.values.filter(\.isOpen).map(\.number.order)
    guard Set(open).count == open.count else { return .duplicate }

    state.holds = holds
    for wallet in opened { wallets[wallet.owner] = wallet }
    state.wallets = wallets
    state.closedWallets += (batch.openedWallets + batch.updatedWallets.map(\.wallet)).filter { $0.closedAt != nil }
    state.payouts = payouts
    for row in batch.rows {
      state.rows[row.idempotencyKey] = row
      state.postings[row.posting, default: []].append(row)
      if row.leg.type == .orderSettlementDebit, let order = row.leg.links.order, let seq = row.leg.links.settlementSeq {
        state.settlements[SettlementNumber(order: order, seq: seq)] = row.posting
      }
    }
    for reversal in batch.reversals {
      let reversed = KnownPosting(
        key: reversal.posting, fingerprint: Fingerprint(stored: ""), rows: state.postings[reversal.posting] ?? []
      ).reversed()
      state.postings[reversal.posting] = reversed.rows
      for row in reversed.rows { state.rows[row.idempotencyKey] = row }
    }
    for refusal in batch.voided { state.voided[refusal.key] = refusal }
    for request in batch.requests { state.requests[request.key] = request }
    state.audits.append(contentsOf: batch.audits)
    state.records.append(contentsOf: batch.records)
    state.events.append(contentsOf: batch.events)
    state.batchesCommitted = batch.number
    state.lastBatch = batch.id
    state.lastAt = batch.at
    state.journal.append(batch)
    return .committed
  }

  /// The unique indexes of payouts.
  private static func areUnique(_ payouts: some Collection<Payout>) -> Bool {
    let references = payouts.filter { $0.deletedAt == nil }.compactMap(\.reference)
    let requests = payouts.compactMap(\.requestKey)
    return Set(references).count == references.count && Set(requests).count == requests.count
  }
}
