import Kernel
import Testing
import WalletDomain
import WalletMemory

private typealias Fixture = WalletStoreFixture

/// One suite for every implementation, so that the one in memory cannot promise what MongoDB does not keep.
@Suite("The wallet stores' contract")
struct WalletStoreTests {
  private func code(_ body: () async throws -> some Sendable) async -> ErrorCode? {
    do {
      _ = try await body()
      return nil
    } catch { return (error as? Failure)?.code }
  }

  private func batch<Command: LedgerCommand>(
    _ commands: Command..., on ledger: Ledger, _ fixture: Fixture, under term: WriterTerm
  ) throws -> LedgerBatch {
    try batch(commands, on: ledger, fixture, under: term)
  }

  /// Of commands that have nothing to do with each other.
  private func batch<Command: LedgerCommand>(
    _ commands: [Command], on ledger: Ledger, _ fixture: Fixture, under term: WriterTerm
  ) throws -> LedgerBatch {
    let now = fixture.clock.now()
    let context = DecisionContext(now: now, limits: Fixture.limits)
    let changes = try commands.map { command in
      guard case .change(let change, _) = try command.decide(on: ledger, context) else {
        throw Failure(.internalError, "the command changed nothing")
      }
      return change
    }
    return LedgerBatch(changes, on: ledger, under: term, at: now)
  }

  @Test("approval and settlement leave the balances, rows and holds that they say", arguments: StoreKind.available)
  func worked(kind: StoreKind) async throws {
    try await kind.withBooks { fixture in
      try await fixture.fund(5_000_000)
      _ = try await fixture.queue.perform(try Fixture.lock(1))
      #expect(try await fixture.books(orders: 2).contradictionsWithoutAudits == [])
      _ = try await fixture.queue.perform(try Fixture.settle(1))
      let books = try await fixture.books(orders: 2)
      #expect(books.contradictionsWithoutAudits == [])
      #expect(books.rows.count == 12)
      #expect(books.wallet(of: Fixture.owner)?.balances.available == Money(paise: 4_989_750))
      #expect(books.wallet(of: Fixture.buyer)?.balances.available == Money(paise: 5_000))
      #expect(books.wallet(of: .platform)?.balances.available == Money(paise: 250))
      #expect(books.holds.map(\.state) == [.consumed])
    }
  }

  @Test("everything that a decision rests on comes back as it was written", arguments: StoreKind.available)
  func roundTrip(kind: StoreKind) async throws {
    try await kind.withBooks { fixture in
      try await fixture.fund(100_000)
      let needs = try Fixture.lock(1).needs
      let before = try await fixture.ledger.read(needs, at: fixture.clock.now())
      let batch = try batch(try Fixture.lock(1), on: before, fixture, under: try await fixture.term())
      #expect(try await fixture.ledger.commit(batch).isCommitted)
      let after = try await fixture.ledger.read(needs, at: fixture.clock.now())
      #expect(after.batchesCommitted == before.batchesCommitted + 1)
      #expect(after.wallets.values.sorted { $0.id < $1.id } == batch.updatedWallets.map(\.wallet))
      #expect(Array(after.holds.values) == batch.newHolds)
      let posting = try #require(after.postings.values.first)
      #expect(posting.rows == batch.rows && posting.fingerprint.text == batch.rows.first?.fingerprint)
    }
  }

  @Test("repeats are recognised, and differing ones refused", arguments: StoreKind.available)
  func replays(kind: StoreKind) async throws {
    try await kind.withBooks { fixture in
      try await fixture.fund(100_000)
      // A reference that looks like another posting's leg is still a reference of its own.
      // One that ends in U+0600 makes a single character with whatever follows it.
      for ref in ["A", "A#1", "A#1#2", "A$", "A~1", "A\u{0600}", "\u{1F468}\u{200D}"] {
        let first = try await fixture.queue.perform(try Fixture.deposit(7, ref: ref))
        let second = try await fixture.queue.perform(try Fixture.deposit(7, ref: ref))
        #expect(!first.isReplay && second.isReplay)
        #expect(first.answer?.row == second.answer?.row)
        let other = try Fixture.deposit(8, ref: ref)
        #expect(await code { try await fixture.queue.perform(other) } == .idempotencyMismatch)
      }
      #expect(try await fixture.books(orders: 0).contradictionsWithoutAudits == [])
    }
  }

  @Test("closed numbers and final refusals are remembered", arguments: StoreKind.available)
  func remembered(kind: StoreKind) async throws {
    try await kind.withBooks { fixture in
      try await fixture.fund(0)
      #expect(await code { try await fixture.queue.perform(Fixture.release(1)) } == .holdNotFound)
      #expect(await code { try await fixture.queue.perform(try Fixture.lock(1)) } == .holdClosed)
      let resolving = try Fixture.settle(2, resolve: true)
      #expect(await code { try await fixture.queue.perform(resolving) } == .insufficientFunds)
      _ = try await fixture.queue.perform(try Fixture.deposit(1_000_000, ref: "late"))
      #expect(await code { try await fixture.queue.perform(try Fixture.settle(2)) } == .insufficientFunds)
      let next = try await fixture.queue.perform(try Fixture.settle(2, voidedTries: 1))
      #expect(next.answer?.text == "order-settle:\(Fixture.order(2)):1~1")
      #expect(await code { try await fixture.queue.perform(try Fixture.lock(2)) } == .holdClosed)
      #expect(try await fixture.books(orders: 3).contradictionsWithoutAudits == [])
    }
  }

  @Test("a request is remembered with its change, and returns its response", arguments: StoreKind.available)
  func requests(kind: StoreKind) async throws {
    try await kind.withBooks { fixture in
      try await fixture.fund(0)
      func record(_ id: String, _ fingerprint: UInt8) -> RequestRecord<Deposit.Answer> {
        RequestRecord(
          key: RequestKey(caller: Fixture.owner.rawValue, rpc: "Deposit", requestID: id), fingerprint: [fingerprint]
        ) { Array("\($0.row.leg.amount.paise)".utf8) }
      }
      let deposit = try Fixture.deposit(7, ref: "A")
      #expect(try await fixture.queue.replay(of: deposit, for: record("r1", 1)) == nil)
      #expect(try await !fixture.queue.perform(deposit, for: record("r1", 1)).isReplay)
      #expect(try await fixture.queue.perform(deposit, for: record("r1", 1)).response == Array("7".utf8))
      #expect(await code { try await fixture.queue.perform(deposit, for: record("r1", 2)) } == .idempotencyMismatch)
      #expect(try await fixture.queue.perform(deposit, for: record("r2", 1)).answer != nil)
    }
  }

  @Test("a batch decided on books that have moved is not written", arguments: StoreKind.available)
  func lostRace(kind: StoreKind) async throws {
    try await kind.withBooks { fixture in
      try await fixture.fund(100_000)
      var needs = try Fixture.lock(1).needs
      needs.formUnion(try Fixture.lock(2).needs)
      let loaded = try await fixture.ledger.load(needs, at: fixture.clock.now())
      let term = try await fixture.term()
      let first = try batch(try Fixture.lock(1), on: loaded, fixture, under: term)
      let twin = try batch(try Fixture.lock(2), on: loaded, fixture, under: term)
      #expect(try await fixture.ledger.commit(first).isCommitted)
      guard case .deposed = try await fixture.ledger.commit(twin) else {
        Issue.record("two batches were committed under one number")
        return
      }
      let late = try batch(try Fixture.lock(2), on: loaded, fixture, under: try await fixture.term())
      guard case .lostRace = try await fixture.ledger.commit(late) else {
        Issue.record("two batches were committed on the same books")
        return
      }
      let books = try await fixture.books(orders: 3)
      #expect(books.contradictionsWithoutAudits == [] && books.holds.count == 1)
    }
  }

  // Goal: a batch is written as a whole, however many statements its wallets take. Method: 150 wallets change together,
  // first as they are, then with the last of them one version ahead.
  @Test("of many wallets one that has moved loses the batch", arguments: StoreKind.available)
  func manyWallets(kind: StoreKind) async throws {
    try await kind.withBooks { fixture in
      let owners = (0..<150).map { UserID(known: Fixture.order(1_000 + $0).rawValue) }
      func deposits(_ ref: String, _ owners: [UserID]) throws -> [Deposit] {
        try owners.map {
          try Deposit(
            owner: $0, amount: Money(paise: 5), ref: ref, actor: .system, opening: .brand, limits: Fixture.limits)
        }
      }
      func load() async throws -> Ledger {
        try await fixture.ledger.load(LedgerNeeds(owners: Set(owners)), at: fixture.clock.now())
      }
      for ref in ["open", "change"] {
        let whole = try batch(try deposits(ref, owners), on: try await load(), fixture, under: try await fixture.term())
        #expect(try await fixture.ledger.commit(whole).isCommitted)
      }
      let stale = try await load()
      _ = try await fixture.queue.perform(try #require(try deposits("ahead", [owners[149]]).first))
      let late = try batch(try deposits("late", owners), on: stale, fixture, under: try await fixture.term())
      guard case .lostRace = try await fixture.ledger.commit(late) else {
        Issue.record("a wallet was overwritten")
        return
      }
      let versions = try await load().wallets.values.map(\.version).sorted()
      #expect(versions == Array(repeating: 2, count: 149) + [3])
    }
  }

  @Test("a key that is taken is a duplicate, and nothing of the batch is written", arguments: StoreKind.available)
  func duplicate(kind: StoreKind) async throws {
    try await kind.withBooks { fixture in
      try await fixture.fund(100_000)
      _ = try await fixture.queue.perform(try Fixture.deposit(7, ref: "A"))
      // Loaded without the posting, so that the decision does not see it.
      let blind = try await fixture.ledger.load(LedgerNeeds(owners: [Fixture.owner]), at: fixture.clock.now())
      let again = try batch(try Fixture.deposit(7, ref: "A"), on: blind, fixture, under: try await fixture.term())
      guard case .duplicate = try await fixture.ledger.commit(again) else {
        Issue.record("one key was posted twice")
        return
      }
      #expect(try await fixture.reader.wallet(of: Fixture.owner)?.balances.available == Money(paise: 100_007))
    }
  }

  @Test("settling an unknown outcome tells how it ended, for good", arguments: StoreKind.available)
  func settle(kind: StoreKind) async throws {
    try await kind.withBooks { fixture in
      try await fixture.fund(100_000)
      let needs = try Fixture.lock(1).needs
      let written = try batch(
        try Fixture.lock(1), on: try await fixture.ledger.load(needs, at: fixture.clock.now()), fixture,
        under: try await fixture.term())
      #expect(try await fixture.ledger.commit(written).isCommitted)
      #expect(try await fixture.ledger.settle(written).isCommitted)

      let loaded = try await fixture.ledger.load(try Fixture.lock(2).needs, at: fixture.clock.now())
      let unwritten = try batch(try Fixture.lock(2), on: loaded, fixture, under: try await fixture.term())
      #expect(try await !fixture.ledger.settle(unwritten).isCommitted)
      #expect(try await !fixture.ledger.commit(unwritten).isCommitted)
      #expect(try await fixture.books(orders: 3).holds.count == 1)
    }
  }

  // Goal: N concurrent debits of which k can be funded. Method: thirty settlements, money for seven.
  @Test("of concurrent debits exactly those that can be paid succeed", arguments: StoreKind.available)
  func concurrentDebits(kind: StoreKind) async throws {
    try await kind.withBooks { fixture in
      try await fixture.fund(7 * 10_250)
      let codes = await withTaskGroup(of: ErrorCode?.self) { group in
        for order in 0..<30 {
          group.addTask { await code { try await fixture.queue.perform(try Fixture.settle(order, hold: 0)) } }
        }
        return await group.reduce(into: []) { $0.append($1) }
      }
      #expect(codes.count { $0 == nil } == 7)
      #expect(codes.count { $0 == .insufficientFunds } == 23)
      let books = try await fixture.books(orders: 30)
      #expect(books.contradictionsWithoutAudits == [])
      #expect(books.wallet(of: Fixture.owner)?.version == 8)
    }
  }

  @Test("twenty equal calls at once make one wallet and one posting", arguments: StoreKind.available)
  func concurrentTwins(kind: StoreKind) async throws {
    try await kind.withBooks { fixture in
      let replays = try await withThrowingTaskGroup(of: Bool.self) { group in
        for _ in 0..<20 {
          group.addTask { try await fixture.queue.perform(try Fixture.deposit(7, ref: "A")).isReplay }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(replays.count { !$0 } == 1)
      #expect(try await fixture.reader.wallet(of: Fixture.owner)?.balances.available == Money(paise: 7))
    }
  }

  // Rows of one batch share their millisecond, so pages cut through them.
  @Test("pages hold every row once, newest first", arguments: StoreKind.available)
  func pages(kind: StoreKind) async throws {
    try await kind.withBooks { fixture in
      try await fixture.fund(1_000_000)
      for order in 0..<6 {
        if order.isMultiple(of: 2) { fixture.clock.advance(by: .milliseconds(1)) }
        _ = try await fixture.queue.perform(try Fixture.lock(order))
        _ = try await fixture.queue.perform(try Fixture.settle(order))
      }
      let filters = [
        TransactionFilter(includesMemo: true), TransactionFilter(owner: Fixture.owner),
        TransactionFilter(owner: Fixture.buyer, type: .commissionSettle), TransactionFilter(order: Fixture.order(3)),
        TransactionFilter(owner: Fixture.owner, order: Fixture.order(3), includesMemo: true),
        TransactionFilter(from: fixture.clock.now()), TransactionFilter(to: fixture.clock.now()),
        TransactionFilter(owner: UserID(known: Fixture.order(5).rawValue)),
      ]
      let counts = [1 + 1 + 6 * 10, 1 + 6 * 3, 6, 6, 3, 2 * 6, 2 + 4 * 6, 0]
      for (filter, count) in zip(filters, counts) {
        for size in [1, 3, 200] as [Int32] {
          let rows = try await allRows(fixture, filter, size: size)
          #expect(rows.count == count, "\(filter.description) in pages of \(size)")
          #expect(Set(rows.map(\.id)).count == rows.count)
          #expect(rows == rows.sorted { ($1.createdAt, $1.id) < ($0.createdAt, $0.id) })
        }
      }
    }
  }

  private func allRows(
    _ fixture: WalletStoreFixture, _ filter: TransactionFilter, size: Int32
  ) async throws -> [LedgerRow] {
    var rows: [LedgerRow] = []
    var cursor = ""
    repeat {
      let page = try await fixture.reader.transactions(
        filter, try PageRequest(size: size, cursor: cursor, includeTotal: true, filters: filter.description))
      #expect(page.items.count <= Int(size))
      rows += page.items
      cursor = page.next?.text(filters: filter.description) ?? ""
      if cursor.isEmpty { #expect(page.total == Int64(rows.count)) }
    } while !cursor.isEmpty
    return rows
  }
}

extension Outcome {
  fileprivate var isReplay: Bool {
    switch self {
    case .applied: false
    case .replayed, .stored: true
    }
  }

  fileprivate var answer: Answer? {
    switch self {
    case .applied(let answer), .replayed(let answer): answer
    case .stored: nil
    }
  }

  fileprivate var response: [UInt8]? {
    if case .stored(let bytes) = self { bytes } else { nil }
  }
}

extension CommitOutcome {
  fileprivate var isCommitted: Bool {
    if case .committed = self { true } else { false }
  }
}

extension SettledOutcome {
  fileprivate var isCommitted: Bool {
    if case .committed = self { true } else { false }
  }
}
