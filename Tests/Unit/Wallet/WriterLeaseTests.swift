import Kernel
import Synchronization
import Testing
import WalletDomain
import WalletMemory

@Suite("Writer lease")
struct WriterLeaseTests {
  private let books = InMemoryLedger()

  private func queue(_ holder: String, _ store: (any LedgerStore)? = nil) -> PostingQueue {
    PostingQueue(
      store: store ?? books, clock: ManualClock(), limits: WalletLimits(), holder: { holder }, pause: { _ in })
  }

  private func open(_ number: Int, _ kind: OwnerKind = .brand) throws -> EnsureWallet {
    try EnsureWallet(owner: .sample(number), kind: kind, actor: .system)
  }

  private func deposit(_ paise: Int64, _ ref: String) throws -> Deposit {
    try Deposit(
      owner: .sample(1), amount: Money(paise: paise), ref: ref, actor: .system, opening: .brand,
      limits: WalletLimits())
  }

  private func settle(_ order: Int, _ paise: Int64) throws -> SettleOrderFunds {
    let terms = try OrderTerms(
      owner: .sample(1), buyer: .sample(2), mediator: .sample(1), campaign: .sample(20),
      commission: Money(paise: paise), margin: .zero, fee: .zero)
    return try SettleOrderFunds(
      order: .sample(order), seq: 1, holdSeq: 0, terms: terms, resolve: false, voidedTries: 0, actor: .system)
  }

  @Test("while one process holds the lease, another writes nothing and says who does")
  func onlyOne() async throws {
    _ = try await queue("first").perform(try open(1))
    let second = queue("second")
    await #expect(throws: NotTheWriter(holder: "first")) { try await second.perform(try open(2)) }
    #expect(second.place == .elsewhere("first"))
    // Without asking again: what was heard holds until the lease may have run out.
    await #expect(throws: NotTheWriter(holder: "first")) { try await second.perform(try open(2)) }
    #expect(books.books.wallets.count == 1)
  }

  @Test("a lease that is given back is free at once, and whoever gave it back writes nothing any more")
  func resigning() async throws {
    let first = queue("first")
    _ = try await first.perform(try open(1))
    await first.resign()
    _ = try await queue("second").perform(try open(2))
    #expect(await code { try await first.perform(try open(3)) } == .serviceUnavailable)
    #expect(books.books.wallets.count == 2)
  }

  // Goal: what is under way is answered for, and nothing follows it. Method: the lease is given back while one batch is
  // at its commit and the next is drafted.
  @Test("giving the lease back waits for the batch under way, and lets no other go")
  func resigningUnderWay() async throws {
    let held = HeldCommits(books)
    let first = queue("first", held)
    _ = try await first.perform(try open(1))
    await held.hold()
    async let committed = code { try await first.perform(try open(2)) }
    while await !held.isHolding { await Task.yield() }
    let loads = held.loads
    async let drafted = code { try await first.perform(try open(3)) }
    while held.loads == loads { await Task.yield() }
    async let resigned: Void = first.resign()
    while await !first.hasResigned { await Task.yield() }
    await #expect(throws: NotTheWriter(holder: "first")) { try await queue("second").perform(try open(4)) }
    await held.letGo()
    await resigned
    #expect(await committed == nil)
    #expect(await drafted == .serviceUnavailable)
    _ = try await queue("second").perform(try open(4))
    #expect(books.books.wallets.count == 3)
  }

  // Goal: nobody is refused from memory that has become wrong. Method: the holder remembers an empty wallet; another
  // process takes the lease and fills it.
  @Test("a deposed holder refuses nobody, and answers no replay")
  func staleRefusal() async throws {
    let sleeper = queue("sleeper")
    for command in [try open(1), try open(2, .shopper)] { _ = try await sleeper.perform(command) }
    #expect(await code { try await sleeper.perform(try settle(10, 5)) } == .insufficientFunds)
    books.expireLease()
    let other = queue("other")
    _ = try await other.perform(try deposit(7, "A"))
    await #expect(throws: NotTheWriter(holder: "other")) { try await sleeper.perform(try settle(10, 5)) }
    #expect(sleeper.place == .elsewhere("other"))
    _ = try await other.perform(try settle(10, 5))
    #expect(books.books.contradictions == [])
  }

  @Test("a holder that finds its lease again decides on fresh books")
  func restart() async throws {
    let first = queue("same")
    for command in [try open(1), try open(2, .shopper)] { _ = try await first.perform(command) }
    _ = try await queue("same").perform(try deposit(7, "A"))
    await #expect(throws: NotTheWriter.self) { try await first.perform(try settle(10, 5)) }
    _ = try await first.perform(try settle(10, 5))
    #expect(books.books.wallet(of: .sample(1))?.balances.available == Money(paise: 2))
    #expect(books.books.contradictions == [])
  }

  @Test("a take-over is told to whoever waits for it")
  func watching() async throws {
    let first = queue("first")
    _ = try await first.perform(try open(1))
    let turn = first.turn
    async let changed: Void = first.changed(since: turn)
    books.expireLease()
    _ = try await queue("second").perform(try open(2))
    await #expect(throws: NotTheWriter(holder: "second")) { try await first.perform(try open(3)) }
    await changed
    #expect(first.turn > turn)
  }

  // Goal: what is decided on a batch that fails is decided again. Method: the first of two settlements is held at its
  // commit, until the second has been decided on what it leaves; then it fails.
  @Test(
    "the next batch is decided on the one under way, and again when that fails",
    arguments: [nil, .loseRace, .failBefore, .unknownBeforeWriting] as [InMemoryLedger.Fault?])
  func lookingAhead(fault: InMemoryLedger.Fault?) async throws {
    let held = HeldCommits(books)
    let queue = queue("first", held)
    for command in [try open(1), try open(2, .shopper)] { _ = try await queue.perform(command) }
    _ = try await queue.perform(try deposit(7, "A"))
    await held.hold()
    async let first = code { try await queue.perform(try settle(10, 5)) }
    while await !held.isHolding { await Task.yield() }
    let loads = held.loads
    async let second = code { try await queue.perform(try settle(11, 5)) }
    while held.loads == loads { await Task.yield() }
    books.inject([fault])
    await held.letGo()
    let codes = await (first, second)
    #expect(fault == .failBefore ? codes == (.databaseUnavailable, nil) : codes == (nil, .insufficientFunds))
    #expect(books.books.wallet(of: .sample(2))?.balances.available == Money(paise: 5))
    #expect(books.books.contradictions == [])
  }
}

/// Holds commits until a test lets them go, and counts look-ups.
private actor HeldCommits: LedgerStore {
  private let books: InMemoryLedger
  private var isClosed = false
  private var waiters: [CheckedContinuation<Void, Never>] = []
  private let count = Mutex(0)

  init(_ books: InMemoryLedger) {
    self.books = books
  }

  nonisolated var loads: Int { count.withLock { $0 } }
  var isHolding: Bool { !waiters.isEmpty }
  func hold() { isClosed = true }

  func letGo() {
    isClosed = false
    waiters.forEach { $0.resume() }
    waiters = []
  }

  nonisolated func load(_ needs: LedgerNeeds, at now: Timestamp) async throws -> Ledger {
    let ledger = try await books.load(needs, at: now)
    count.withLock { $0 += 1 }
    return ledger
  }

  func commit(_ batch: LedgerBatch, onWritten: @escaping @Sendable () -> Void) async throws -> CommitOutcome {
    onWritten()
    if isClosed { await withCheckedContinuation { waiters.append($0) } }
    return try await books.commit(batch)
  }

  nonisolated func read(_ needs: LedgerNeeds, at now: Timestamp) async throws -> Ledger {
    try await books.read(needs, at: now)
  }
  nonisolated func settle(_ batch: LedgerBatch) async throws -> SettledOutcome { try await books.settle(batch) }
  nonisolated func lease() async throws -> LeaseReading? { try await books.lease() }
  nonisolated func claim(as holder: String) async throws -> LeaseClaim { try await books.claim(as: holder) }
  nonisolated func renew(_ term: WriterTerm) async throws -> Bool { try await books.renew(term) }
  nonisolated func release(_ term: WriterTerm) async throws { try await books.release(term) }
}
