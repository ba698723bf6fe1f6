import Kernel
import WalletDomain
import WalletStorage

/// What the database allows at most: the batches that the wallet service would write, made beforehand and committed one
/// after the other, with nothing else running. Only the commits are timed.
struct ReadyBatches {
  enum Wrong: Error {
    case leaseIsTaken
    case outcome(CommitOutcome)
  }

  private static let campaign = CampaignID(known: "cccccccccccccccccccccccc")

  private let store: MongoLedgerStore
  private let population: Population
  private let hotPercent: Int
  private let size: Int
  private var ledger: Ledger
  private var term: WriterTerm

  /// Reads all wallets and takes the lease.
  init(_ store: MongoLedgerStore, _ population: Population, hotPercent: Int, size: Int) async throws {
    self.store = store
    self.population = population
    self.hotPercent = hotPercent
    self.size = size
    let needs = LedgerNeeds(owners: Set(population.owners + population.shoppers))
    ledger = try await store.load(needs, at: SystemClock().now())
    guard case .granted(let term) = try await store.claim(as: "bench-wallet") else { throw Wrong.leaseIsTaken }
    self.term = term
  }

  /// The latencies are those of whole batches.
  mutating func run(warmUp: Duration, for duration: Duration) async throws -> Tally {
    let clock = ContinuousClock()
    let start = clock.now + warmUp
    var tally = Tally()
    var timed = Duration.zero
    while clock.now < start + duration {
      let batch = try make()
      let began = clock.now
      let outcome = try await store.commit(batch)
      guard case .committed = outcome else { throw Wrong.outcome(outcome) }
      let took = began.duration(to: clock.now)
      let counts = began >= start
      if counts { timed += took }
      for _ in batch.changes {
        if counts { tally.record(took, conflicts: 0) } else { tally.noteWarmUp() }
      }
    }
    try await store.release(term)
    return tally.over(timed)
  }

  private mutating func make() throws -> LedgerBatch {
    let context = DecisionContext(now: SystemClock().now(), limits: WalletLimits())
    let before = ledger
    var changes: [LedgerChange] = []
    var random = SystemRandomNumberGenerator()
    for _ in 0..<size {
      let next = population.transfer(hotPercent: hotPercent, using: &random)
      let command = try SettleOrderFunds(
        order: next.order, seq: 1, holdSeq: 0,
        terms: OrderTerms(
          owner: next.owner, buyer: next.shopper, mediator: next.owner, campaign: Self.campaign,
          commission: Transfer.amount, margin: .zero, fee: .zero),
        resolve: false, voidedTries: 0, actor: .system)
      guard case .change(let change, _) = try command.decide(on: ledger, context) else { continue }
      changes.append(change)
      ledger.apply(change)
    }
    let batch = LedgerBatch(
      changes, encoded: [store.encode(changes, at: context.now)], on: before, under: term, at: context.now)
    // Of what was posted nothing is looked at again.
    ledger = Ledger(batchesCommitted: 0, wallets: Array(ledger.wallets.values))
    term = WriterTerm(token: term.token, batches: term.batches + 1, until: .after(WriterTerm.lease))
    return batch
  }
}
