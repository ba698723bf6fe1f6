import Kernel
import Synchronization
import WalletDomain

/// One replica of wallet: the real queue over a store that the simulation holds in its hand.
final class SimulatedProcess: Sendable {
  /// The process died before it could answer: its caller hears nothing.
  struct Death: Error {}

  /// Never used again.
  let id: Int
  /// The address, which the next process in its place takes over.
  let name: String
  let queue: PostingQueue
  let store: SimulatedStore
  private let lease: Task<Void, Never>
  private let turnstile: Turnstile

  init(
    id: Int, name: String, books: any LedgerStore, clock: any WallClock, turnstile: Turnstile,
    outage: Outage,
    executor: SimulationExecutor
  ) {
    self.id = id
    self.name = name
    self.turnstile = turnstile
    store = SimulatedStore(process: id, books: books, turnstile: turnstile, outage: outage)
    let bounds = QueueLimits()
    let queue = PostingQueue(
      store: store, clock: clock, limits: Cast.limits, bounds: bounds, holder: { name },
      executor: executor
    ) { duration in
      // Attempts follow each other at once; looks at the lease are what the simulation makes of time.
      if duration == bounds.lookEvery { await turnstile.nap(id) }
    }
    self.queue = queue
    lease = Task(executorPreference: executor) { await queue.keepLease() }
  }

  /// A clean end, if it lives: the lease is given back.
  func stop() {
    lease.cancel()
    turnstile.wake(id)
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

  func read(_ needs: LedgerNeeds, at now: Timestamp) async throws -> Ledger {
    try await pass()
    return try await books.read(needs, at: now)
  }

  func commit(_ batch: LedgerBatch, onWritten: @escaping @Sendable () -> Void) async throws -> CommitOutcome {
    try await pass()
    let crash = state.withLock { state in
      state.isDead = state.crash != nil
      return state.crash
    }
    switch crash {
    case nil: return try await books.commit(batch, onWritten: onWritten)
    case .beforeWriting: break
    case .afterWriting: _ = try await books.commit(batch, onWritten: onWritten)
    }
    turnstile.bury(process)
    throw SimulatedProcess.Death()
  }

  func settle(_ batch: LedgerBatch) async throws -> SettledOutcome {
    try await pass()
    return try await books.settle(batch)
  }

  func lease() async throws -> LeaseReading? {
    try await pass()
    return try await books.lease()
  }

  func claim(as holder: String) async throws -> LeaseClaim {
    try await pass()
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
