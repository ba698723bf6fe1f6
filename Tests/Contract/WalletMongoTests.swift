import Kernel
import Mongo
import TestKit
import Testing
import WalletDomain
import WalletMemory
import WalletStorage

private typealias Fixture = WalletStoreFixture

/// What only the real store can show: lost replies, killed writers, and the outbox.
@Suite("The ledger in MongoDB", .enabled(if: TestMongo.isAvailable))
struct WalletMongoTests {
  private func withLedger(
    _ work: (TestMongo, MongoLedgerStore, WalletStoreFixture) async throws -> Void
  ) async throws {
    try await TestMongo.withMongo("wallet", migrations: WalletMigrations.all) { mongo in
      let ledger = try await MongoLedgerStore(mongo.database)
      let fixture = WalletStoreFixture(ledger, MongoWalletStore(mongo.database))
      try await fixture.fund(1_000_000)
      try await work(mongo, ledger, fixture)
      await ledger.close()
    }
  }

  // Goal: whatever the server does to a commit, repeating the call until it is answered moves the money once.
  @Test(
    "a settlement whose commit goes wrong is applied once",
    arguments: [
      FailPoint(["commitTransaction"], .closeConnection), FailPoint(["commitTransaction"], .closeConnection, times: 3),
      FailPoint(["commitTransaction"], .error(code: 91, labels: ["UnknownTransactionCommitResult"]), times: 8),
      FailPoint(
        ["commitTransaction"], .writeConcernError(code: 64, labels: ["UnknownTransactionCommitResult"]), times: 8),
      FailPoint(["commitTransaction"], .error(code: 251, labels: ["TransientTransactionError"]), times: 2),
      FailPoint(["update"], .error(code: 112, labels: ["TransientTransactionError"]), times: 2),
      FailPoint(["insert"], .closeConnection, times: 2), FailPoint(["find"], .closeConnection, times: 2),
    ])
  func failedCommits(failPoint: FailPoint) async throws {
    try await withLedger { mongo, _, fixture in
      _ = try await fixture.queue.perform(try Fixture.lock(1))
      try await failPoint.active(for: mongo) {
        _ = try? await fixture.queue.perform(try Fixture.settle(1))
      }
      _ = try await fixture.queue.perform(try Fixture.settle(1))
      let books = try await fixture.books(orders: 2)
      #expect(books.contradictionsWithoutAudits == [])
      #expect(books.wallet(of: Fixture.buyer)?.balances.available == Money(paise: 5_000))
      #expect(try await auditMessages(mongo.database) == 5)
    }
  }

  // Goal: an error of the commit that does not say whether it happened is looked up, never taken for a failure.
  // Method: one call must succeed, and move the money once, whether the commit happened (100) or not, and whether
  // repeating the commit tells (1) or only the look-up (4).
  @Test(
    "a commit error without a label is settled by a look-up",
    arguments: [
      FailPoint.Effect.writeConcernError(code: 100, labels: []), .error(code: 11_601, labels: []),
      .error(code: 8_000, labels: []),
    ], [1, 4] as [Int64])
  func unlabelledCommits(effect: FailPoint.Effect, times: Int64) async throws {
    try await withLedger { mongo, _, fixture in
      let settled = try await FailPoint(["commitTransaction"], effect, times: times).active(for: mongo) {
        try await fixture.queue.perform(try Fixture.settle(1, hold: 0))
      }
      guard case .applied = settled else {
        Issue.record("the settlement was taken for a repeat")
        return
      }
      #expect(try await fixture.books(orders: 2).contradictionsWithoutAudits == [])
      #expect(try await fixture.reader.wallet(of: Fixture.buyer)?.balances.available == Money(paise: 5_000))
    }
  }

  // Goal: an answer that writes nothing rests on the books of one moment. Method: the server holds the reader's look
  // at the postings, when it has seen no wallet, until another process has opened the wallet and posted the twin.
  @Test("a repeat that is looked for while its twin is committed is not torn")
  func tornReplay() async throws {
    try await TestMongo.withMongo("wallet", migrations: WalletMigrations.all) { mongo in
      let ledger = try await MongoLedgerStore(mongo.database)
      let reader = WalletStoreFixture(ledger, MongoWalletStore(mongo.database))
      let deposit = try Fixture.deposit(7, ref: "A")
      // Long enough for the other process on a busy machine; the one look that is held takes it in any case.
      let held = FailPoint(["find"], .block(milliseconds: 4_000), on: "transactions")
      let found = try await held.active(for: mongo) {
        async let found = reader.queue.replay(of: deposit)
        try await TestMongo.asOperator { other in
          try await awaitCommand(["command.find": "transactions"], of: mongo.appName, other)
          let database = other.renamed(mongo.database.name)
          let writer = try await MongoLedgerStore(database)
          _ = try await WalletStoreFixture(writer, MongoWalletStore(database)).queue.perform(deposit)
          await writer.close()
        }
        return try await found
      }
      guard case .replayed(let answer) = found else {
        Issue.record("the twin was there, and not found")
        return
      }
      #expect(answer.wallet?.balances.available == Money(paise: 7))
      await ledger.close()
    }
  }

  // Goal: a balance of the past costs the same, however long the bucket has not moved. Method: a dozen orders are
  // settled from locked money; the server tells how many rows it looked at. Rows of an older build do not say what was
  // available: the answer is the same.
  @Test("what was available is known from any row of the wallet")
  func pastAvailable() async throws {
    try await withLedger { mongo, _, fixture in
      let wallet = try #require(try await fixture.reader.wallet(of: Fixture.owner)).id
      for order in 0..<12 { _ = try await fixture.queue.perform(try Fixture.lock(order)) }
      for order in 0..<12 {
        fixture.clock.advance(by: .milliseconds(1))
        _ = try await fixture.queue.perform(try Fixture.settle(order))
      }
      let now = try #require(try await fixture.reader.wallet(of: Fixture.owner))
      let expected = PastBalances(balances: now.balances, version: now.version)
      let plans = try await TestMongo.plans(of: "transactions", mongo) {
        let past = try await fixture.reader.balances(of: wallet, at: fixture.clock.now())
        #expect(past == expected)
      }
      #expect(plans.count >= 4)
      let examined = try plans.map { try $0.int64("docsExamined") }
      #expect(examined.allSatisfy { $0 <= 2 }, "\(examined)")

      try await mongo.database.run { connection in
        _ = try connection.updateMany("transactions", [:], ["$unset": ["availableAfterPaise": ""]])
      }
      #expect(try await fixture.reader.balances(of: wallet, at: fixture.clock.now()) == expected)
      #expect(try await fixture.books(orders: 12).contradictionsWithoutAudits == [])
    }
  }

  // Each deposit is a batch and a version of the wallet, and none of them is without its posting.
  @Test("every ledger that is read while batches are committed is that of one batch")
  func consistentLedgers() async throws {
    try await withLedger { _, ledger, fixture in
      let deposits = try (0..<60).map { try Fixture.deposit(1, ref: "D-\($0)") }
      var needs = LedgerNeeds()
      for deposit in deposits { needs.formUnion(deposit.needs) }
      let wanted = needs
      let start = try await ledger.read(wanted, at: fixture.clock.now())
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
          for deposit in deposits { _ = try await fixture.queue.perform(deposit) }
        }
        for _ in 1...3 {
          group.addTask {
            for _ in 1...20 {
              let seen = try await ledger.read(wanted, at: fixture.clock.now())
              let batches = seen.batchesCommitted - start.batchesCommitted
              #expect(seen.wallets[Fixture.owner].map { $0.version - 1 } == batches)
              #expect(Int64(seen.postings.count) == batches)
            }
          }
        }
        try await group.waitForAll()
      }
    }
  }

  // Goal: looking up an owner's wallets does not read everybody's. Method: the server's profile of the list's queries.
  @Test("an owner's rows, closed wallets' too, are found by indexes alone")
  func ownersWallets() async throws {
    try await withLedger { mongo, _, fixture in
      _ = try await fixture.queue.perform(try Fixture.settle(1, hold: 0))
      try await mongo.database.run { connection in
        _ = try connection.updateOne(
          "wallets", ["ownerUserId": .id(Fixture.owner)], ["$set": ["deletedAt": .datetime(fixture.clock.now())]])
        try connection.command(["profile": 2])
      }
      _ = try await fixture.queue.perform(try Fixture.deposit(9, ref: "reopened"))
      let filter = TransactionFilter(owner: Fixture.owner)
      let page = try await fixture.reader.transactions(
        filter, try PageRequest(size: 10, cursor: "", includeTotal: false, filters: filter.description))
      #expect(Set(page.items.map(\.leg.amount.paise)) == [1_000_000, 10_250, 9])
      let plans = try await mongo.database.run { connection in
        try connection.command(["profile": 0])
        return try connection.find(
          "system.profile", ["op": "query", "command.find": "wallets", "command.projection": ["$exists": true]])
      }
      #expect(plans.count == 1)
      for plan in plans {
        let summary = try plan.string("planSummary")
        #expect(summary.contains("IXSCAN { ownerUserId: 1 }") && !summary.contains("COLLSCAN"), "\(summary)")
        #expect(try plan.double("docsExamined") == 2)
      }
    }
  }

  // Goal: a writer that died in the middle of a transaction does not block its successor. Method: its commit is held at
  // the server for a minute, and a second writer takes over on another connection meanwhile.
  @Test("a successor ends what its predecessor left open")
  func takeOver() async throws {
    try await withLedger { mongo, _, fixture in
      _ = try await fixture.queue.perform(try Fixture.lock(1))
      let held = FailPoint(["commitTransaction"], .block(milliseconds: 60_000))
      try await held.active(for: mongo) {
        async let dying = fixture.queue.perform(try Fixture.settle(1))
        try await TestMongo.asOperator { other in
          try await awaitCommand(["command.commitTransaction": ["$exists": true]], of: mongo.appName, other)
          let database = other.renamed(mongo.database.name)
          let successor = try await MongoLedgerStore(database)
          let next = WalletStoreFixture(successor, MongoWalletStore(database))
          _ = try await next.queue.perform(try Fixture.settle(1))
          await successor.close()
        }
        _ = try? await dying
      }
      let books = try await fixture.books(orders: 2)
      #expect(books.contradictionsWithoutAudits == [])
      #expect(books.wallet(of: Fixture.buyer)?.balances.available == Money(paise: 5_000))
    }
  }

  // Goal: two processes that both believe themselves to be the writer lose and double nothing. Method: they have one
  // address, so that each takes the lease from the other whenever it likes.
  @Test("two writers at once take turns, and lose nothing")
  func twoWriters() async throws {
    try await withLedger { mongo, _, first in
      let other = try await MongoLedgerStore(mongo.database)
      let second = WalletStoreFixture(other, MongoWalletStore(mongo.database))
      for order in 0..<10 {
        async let one = first.settleAtLast(order)
        async let two = second.settleAtLast(order)
        try await _ = (one, two)
      }
      await other.close()
      let books = try await first.books(orders: 10)
      #expect(books.contradictionsWithoutAudits == [])
      #expect(books.wallet(of: Fixture.buyer)?.balances.available == Money(paise: 50_000))
    }
  }

  @Test("a batch leaves one outbox document, a replay none")
  func outbox() async throws {
    try await withLedger { mongo, _, fixture in
      let before = try await auditMessages(mongo.database)
      _ = try await fixture.queue.perform(try Fixture.settle(1, hold: 0))
      _ = try await fixture.queue.perform(try Fixture.settle(1, hold: 0))
      #expect(try await auditMessages(mongo.database) - before == 4)
      let documents = try await mongo.database.run {
        try $0.find("outbox", ["aggregate": "wallet"], sort: ["seq": -1], limit: 1)
      }
      let messages = try #require(try documents.first?.documents("messages"))
      #expect(try messages.map { try $0.string("topic") } == Array(repeating: "audit", count: 4) + ["wallets.changed"])
      let audience = try messages[4].document("payload").document("audience")
      let owners = [Fixture.owner, Fixture.buyer, Fixture.mediator].map(\.rawValue)
      #expect(try audience.strings("userIds") == owners, "the platform is nobody who listens")
      let entry = try messages[0].document("payload")
      #expect(try entry.string("action") == "WALLET_DEBIT" && entry.string("entityType") == "Wallet")
      #expect(try entry.document("metadata").int64("amountPaise") == 10_250)
      #expect(try entry.document("metadata").string("type") == "order_settlement_debit")
    }
  }

  private func auditMessages(_ database: MongoDatabase) async throws -> Int {
    try await database.run { connection in
      try connection.find("outbox").flatMap { try $0.documents("messages") }
        .filter { try $0.string("topic") == "audit" }.count
    }
  }

  /// Until the server shows such a command of the application under way.
  private func awaitCommand(
    _ filter: BSONDocument, of application: String, _ database: MongoDatabase
  ) async throws {
    for _ in 1...2_000 {
      let seen = try await database.renamed("admin").run { connection in
        try connection.command(
          [
            "aggregate": 1, "cursor": [:],
            "pipeline": [
              ["$currentOp": ["allUsers": true]],
              ["$match": .document(filter.appending("appName", .string(application)))],
            ],
          ])
      }
      if try !seen.document("cursor").documents("firstBatch").isEmpty { return }
      await Task.yield()
    }
    Issue.record("the command never reached the server")
  }
}

extension WalletStoreFixture {
  /// Again and again, as often as the lease is lost meanwhile. Each time it stands back for longer, by chance: two that
  /// are equally fast could take the lease from each other for ever.
  fileprivate func settleAtLast(_ order: Int) async throws {
    for attempt in 1...1_000 {
      do {
        _ = try await queue.perform(try Self.settle(order, hold: 0))
        return
      } catch is NotTheWriter {
        for _ in 0...Int.random(in: 0..<1 << min(attempt, 12)) { await Task.yield() }
      }
    }
    Issue.record("the other writer always took the lease")
  }
}
