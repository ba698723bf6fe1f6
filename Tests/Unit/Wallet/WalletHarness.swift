import Kernel
import Synchronization
import WalletDomain
import WalletMemory

/// The posting queue over books in memory, with the parties of one order.
struct WalletHarness {
  let ledger: InMemoryLedger
  let clock = ManualClock()
  let queue: PostingQueue
  let limits: WalletLimits

  let owner = UserID.sample(1)
  let buyer = UserID.sample(2)
  let mediator = UserID.sample(3)
  let order = OrderID.sample(10)

  init(
    ledger: InMemoryLedger = InMemoryLedger(), limits: WalletLimits = WalletLimits(),
    bounds: QueueLimits = QueueLimits(), store: (any LedgerStore)? = nil,
    pause: @escaping @Sendable (Duration) async -> Void = { _ in }
  ) {
    self.ledger = ledger
    self.limits = limits
    queue = PostingQueue(store: store ?? ledger, clock: clock, limits: limits, bounds: bounds, pause: pause)
  }

  /// Wallets for owner, buyer and mediator, with so much available to the owner.
  static func funded(_ paise: Int64 = 5_000_000, limits: WalletLimits = WalletLimits()) async throws -> WalletHarness {
    let harness = WalletHarness(limits: limits)
    try await harness.openWallets()
    if paise > 0 { try await harness.deposit(paise, ref: "SEED-1") }
    return harness
  }

  func openWallets() async throws {
    for (owner, kind) in [(owner, OwnerKind.brand), (buyer, .shopper), (mediator, .mediator)] {
      _ = try await queue.perform(try EnsureWallet(owner: owner, kind: kind, actor: .system))
    }
  }

  @discardableResult
  func deposit(_ paise: Int64, ref: String, to owner: UserID? = nil) async throws -> Outcome<Deposit.Answer> {
    try await queue.perform(
      try Deposit(
        owner: owner ?? self.owner, amount: Money(paise: paise), ref: ref, actor: .system, opening: .brand,
        limits: limits))
  }

  func terms(
    _ commission: Int64 = 5_000, _ margin: Int64 = 5_000, _ fee: Int64 = 0, owner: UserID? = nil,
    mediator: UserID? = nil
  ) throws -> OrderTerms {
    try OrderTerms(
      owner: owner ?? self.owner, buyer: buyer, mediator: mediator ?? self.mediator, campaign: .sample(20),
      commission: Money(paise: commission), margin: Money(paise: margin), fee: Money(paise: fee))
  }

  func lock(_ seq: Int32 = 1, of order: OrderID? = nil, _ terms: OrderTerms? = nil) throws -> LockOrderFunds {
    LockOrderFunds(
      number: HoldNumber(order: order ?? self.order, seq: seq), terms: try terms ?? self.terms(), actor: .system)
  }

  func release(_ seq: Int32 = 1) -> ReleaseOrderFunds {
    ReleaseOrderFunds(number: HoldNumber(order: order, seq: seq), reason: "cancelled", actor: .system)
  }

  func settle(
    _ seq: Int32 = 1, hold: Int32 = 1, of order: OrderID? = nil, _ terms: OrderTerms? = nil, resolve: Bool = false,
    voidedTries: Int32 = 0
  ) throws -> SettleOrderFunds {
    try SettleOrderFunds(
      order: order ?? self.order, seq: seq, holdSeq: hold, terms: try terms ?? self.terms(), resolve: resolve,
      voidedTries: voidedTries, actor: .system)
  }

  /// Available, locked, pending.
  func balances(_ owner: UserID) -> [Int64] {
    ledger.books.wallet(of: owner).map {
      [$0.balances.available.paise, $0.balances.locked.paise, $0.balances.pending.paise]
    } ?? []
  }

  func rows(_ posting: String) -> [LedgerRow] {
    ledger.books.rows.filter { $0.posting.text == posting }.sorted { $0.number < $1.number }
  }
}

final class ManualClock: WallClock {
  private let time = Mutex(Timestamp(milliseconds: 1_700_000_000_000))

  func now() -> Timestamp { time.withLock { $0 } }

  func advance(by duration: Duration) {
    time.withLock { $0 = $0.advanced(by: duration) }
  }
}

/// Lets nothing be loaded while it is closed, so that a test decides which commands share a batch.
actor GatedStore: LedgerStore {
  private let books: InMemoryLedger
  private var isOpen = false
  private var waiters: [CheckedContinuation<Void, Never>] = []

  init(_ books: InMemoryLedger) {
    self.books = books
  }

  func open() {
    isOpen = true
    waiters.forEach { $0.resume() }
    waiters = []
  }

  func close() { isOpen = false }

  /// A batch stands before the closed gate.
  var isAwaited: Bool { !waiters.isEmpty }

  func load(_ needs: LedgerNeeds, at now: Timestamp) async throws -> Ledger {
    if !isOpen { await withCheckedContinuation { waiters.append($0) } }
    return try await books.load(needs, at: now)
  }

  func read(_ needs: LedgerNeeds, at now: Timestamp) async throws -> Ledger { try await load(needs, at: now) }
  func commit(_ batch: LedgerBatch, onWritten: @escaping @Sendable () -> Void) async throws -> CommitOutcome {
    try await books.commit(batch, onWritten: onWritten)
  }
  func settle(_ batch: LedgerBatch) async throws -> SettledOutcome { try await books.settle(batch) }
  func lease() async throws -> LeaseReading? { try await books.lease() }
  func claim(as holder: String) async throws -> LeaseClaim { try await books.claim(as: holder) }
  func renew(_ term: WriterTerm) async throws -> Bool { try await books.renew(term) }
  func release(_ term: WriterTerm) async throws { try await books.release(term) }
}

extension ID {
  static func sample(_ number: Int) -> ID {
    let digits = String(number)
    return ID(known: String(repeating: "a", count: 24 - digits.count) + digits)
  }
}

extension Outcome {
  var isReplay: Bool {
    switch self {
    case .applied: false
    case .replayed, .stored: true
    }
  }

  var answer: Answer? {
    switch self {
    case .applied(let answer), .replayed(let answer): answer
    case .stored: nil
    }
  }
}

/// The code of the refusal; nil when there was none or it was no `Failure`.
func code(_ work: () async throws -> some Sendable) async -> ErrorCode? {
  do {
    _ = try await work()
    return nil
  } catch {
    return (error as? Failure)?.code
  }
}
