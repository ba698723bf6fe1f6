import Kernel
import Mongo
import TestKit
import WalletDomain
import WalletMemory
import WalletStorage

/// One implementation of both store protocols, with a posting queue on it.
struct WalletStoreFixture: Sendable {
  let ledger: any LedgerStore
  let reader: any WalletStore
  let queue: PostingQueue
  let clock: ManualClock
  let holder: String

  static let owner = UserID(known: String(repeating: "a", count: 24))
  static let buyer = UserID(known: String(repeating: "b", count: 24))
  static let mediator = UserID(known: String(repeating: "c", count: 24))
  static let limits = WalletLimits()

  init(_ ledger: any LedgerStore, _ reader: any WalletStore, holder: String = "first") {
    self.ledger = ledger
    self.reader = reader
    self.holder = holder
    clock = ManualClock()
    queue = PostingQueue(
      store: ledger, clock: clock, limits: Self.limits, holder: { holder },
      pause: { _ in await Task.yield() })
  }

  static func order(_ number: Int) -> OrderID {
    let digits = String(number)
    return OrderID(known: String(repeating: "0", count: 24 - digits.count) + digits)
  }

  static func terms(_ commission: Int64 = 5_000, _ margin: Int64 = 5_000, _ fee: Int64 = 250) throws -> OrderTerms {
    try OrderTerms(
      owner: owner, buyer: buyer, mediator: mediator, campaign: CampaignID(known: order(77).rawValue),
      commission: Money(paise: commission), margin: Money(paise: margin), fee: Money(paise: fee))
  }

  static func lock(_ order: Int, seq: Int32 = 1) throws -> LockOrderFunds {
    LockOrderFunds(number: HoldNumber(order: Self.order(order), seq: seq), terms: try terms(), actor: .system)
  }

  static func settle(
    _ order: Int, hold: Int32 = 1, resolve: Bool = false, voidedTries: Int32 = 0
  ) throws -> SettleOrderFunds {
    try SettleOrderFunds(
      order: Self.order(order), seq: 1, holdSeq: hold, terms: try terms(), resolve: resolve, voidedTries: voidedTries,
      actor: .system)
  }

  static func release(_ order: Int, seq: Int32 = 1) -> ReleaseOrderFunds {
    ReleaseOrderFunds(number: HoldNumber(order: Self.order(order), seq: seq), reason: "cancelled", actor: .system)
  }

  static func deposit(_ paise: Int64, ref: String) throws -> Deposit {
    try Deposit(
      owner: owner, amount: Money(paise: paise), ref: ref, actor: .system, opening: .brand, limits: limits)
  }

  /// The lease, taken from the queue.
  func term() async throws -> WriterTerm {
    guard case .granted(let term) = try await ledger.claim(as: holder) else {
      throw Failure(.internalError, "somebody else holds the lease")
    }
    return term
  }

  /// Wallets for all parties, with so much available to the owner.
  func fund(_ paise: Int64) async throws {
    for (owner, kind) in [(Self.owner, OwnerKind.brand), (Self.buyer, .shopper), (Self.mediator, .mediator)] {
      _ = try await queue.perform(try EnsureWallet(owner: owner, kind: kind, actor: .system))
    }
    if paise > 0 { _ = try await queue.perform(try Self.deposit(paise, ref: "SEED-1")) }
  }

  /// The whole books as the store shows them, without audits.
  func books(orders: Int) async throws -> Books {
    var rows: [LedgerRow] = []
    var cursor = ""
    repeat {
      let filter = TransactionFilter(includesMemo: true)
      let page = try await reader.transactions(
        filter, try PageRequest(size: 200, cursor: cursor, includeTotal: false, filters: filter.description))
      rows += page.items
      cursor = page.next?.text(filters: filter.description) ?? ""
    } while !cursor.isEmpty
    var wallets: [Wallet] = []
    for owner in [Self.owner, Self.buyer, Self.mediator, .platform] {
      if let wallet = try await reader.wallet(of: owner) { wallets.append(wallet) }
    }
    let needs = LedgerNeeds(orders: Set((0..<orders).map(Self.order)))
    let holds = try await ledger.load(needs, at: clock.now()).holds.values
    let open = try await reader.payouts(
      PayoutFilter(), try PageRequest(size: 200, cursor: "", includeTotal: false, filters: []))
    return Books(wallets: wallets, rows: rows, holds: Array(holds), payouts: open.items)
  }
}

extension StoreKind {
  /// Runs `work` on empty books of this kind; a database of its own is dropped afterwards.
  func withBooks(_ work: (WalletStoreFixture) async throws -> Void) async throws {
    switch self {
    case .memory:
      let books = InMemoryLedger()
      try await work(WalletStoreFixture(books, books))
    case .mongo:
      try await TestMongo.withDatabase("wallet", migrations: WalletMigrations.all) { database in
        let ledger = try await MongoLedgerStore(database)
        try await work(WalletStoreFixture(ledger, MongoWalletStore(database)))
        await ledger.close()
      }
    }
  }
}
