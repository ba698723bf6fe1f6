import Kernel
import Synchronization
import WalletDomain
import WalletMemory

/// One replica of wallet: the real queue over a store that the simulation holds in its hand.
final class SimulatedProcess: Sendable {
  /// The process died before it could answer: its caller hears nothing.
  struct Death: Error {}

  /// Never used again, as an address of a process would be.
  let id: Int
  let queue: PostingQueue
  let store: SimulatedStore

  init(id: Int, books: any LedgerStore, clock: any WallClock, turnstile: Turnstile, outage: Outage) {
    self.id = id
    store = SimulatedStore(process: id, books: books, turnstile: turnstile, outage: outage)
    var bounds = QueueLimits()
    // One call to the store at a time, so that a run can be repeated.
    bounds.looksAhead = false
    queue = PostingQueue(
      store: store, clock: clock, limits: Cast.limits, bounds: bounds, holder: { "process \(id)" }, pause: { _ in })
  }
}

/// The books as one process reaches them.
final class SimulatedStore: LedgerStore {
  enum Crash: Sendable {
    case beforeWriting, afterWriting
  }

  private struct State {
    var crash: Crash?
    var isDead = false
  }

  private let process: Int
  private let books: any LedgerStore
  private let turnstile: Turnstile
  private let outage: Outage
  private let state = Mutex(State())

  init(process: Int, books: any LedgerStore, turnstile: Turnstile, outage: Outage) {
    self.process = process
    self.books = books
    self.turnstile = turnstile
    self.outage = outage
  }

  /// The process dies at its next commit.
  func arm(_ crash: Crash) {
    state.withLock { $0.crash = crash }
  }

  func disarm() {
    state.withLock { $0.crash = nil }
  }

  var isDead: Bool { state.withLock { $0.isDead } }

  func load(_ needs: LedgerNeeds, at now: Timestamp) async throws -> Ledger {
    try await pass()
    return try await books.load(needs, at: now)
  }

  func commit(_ batch: LedgerBatch) async throws -> CommitOutcome {
    try await pass()
    let crash = state.withLock { state in
      state.isDead = state.crash != nil
      return state.crash
    }
    switch crash {
    case nil: return try await books.commit(batch)
    case .beforeWriting: break
    case .afterWriting: _ = try await books.commit(batch)
    }
    turnstile.bury(process)
    throw SimulatedProcess.Death()
  }

  func settle(_ batch: LedgerBatch) async throws -> SettledOutcome {
    try await pass()
    return try await books.settle(batch)
  }

  func read(_ needs: LedgerNeeds, at now: Timestamp) async throws -> Ledger { try await load(needs, at: now) }

  /// Always one that has just run out: whoever is asked to write takes it, and the other finds out when it writes.
  func lease() async throws -> LeaseReading? {
    try await pass()
    return try await books.lease().map { LeaseReading(holder: $0.holder, token: $0.token, remaining: .zero) }
  }

  func claim(as holder: String) async throws -> LeaseClaim {
    try await pass()
    if let lease = try await books.lease(), lease.holder != holder {
      try await books.release(WriterTerm(token: lease.token, batches: 0, until: .after(.zero)))
    }
    return try await books.claim(as: holder)
  }

  func renew(_ term: WriterTerm) async throws -> Bool {
    try await pass()
    return try await books.renew(term)
  }

  func release(_ term: WriterTerm) async throws {
    try await pass()
    try await books.release(term)
  }

  private func pass() async throws {
    guard case .through = await turnstile.pass(process) else { throw SimulatedProcess.Death() }
    try outage.strike()
  }
}
