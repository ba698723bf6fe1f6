import Kernel
import Testing
import WalletDomain
import WalletMemory

private typealias Fixture = WalletStoreFixture

/// What reversals, payouts, payments to agencies and closed wallets leave, on every implementation.
@Suite("The wallet stores' contract: reversals, payouts, closing")
struct WalletOperationsTests {
  private static let agencyCode = PartyCode("AGY_TEST")

  private func code(_ body: () async throws -> some Sendable) async -> ErrorCode? {
    do {
      _ = try await body()
      return nil
    } catch { return (error as? Failure)?.code }
  }

  private func unsettle(_ order: Int, hold: Int32 = 2) throws -> UnsettleOrderFunds {
    try UnsettleOrderFunds(
      settlement: SettlementNumber(order: Fixture.order(order), seq: 1), newHoldSeq: hold, resolve: false,
      voidedTries: 0, actor: .system)
  }

  private func request(_ paise: Int64, id: String) throws -> RequestPayout {
    var request = try RequestPayout(
      beneficiary: Fixture.mediator, amount: Money(paise: paise), requestID: id, actor: .system, limits: Fixture.limits)
    request.profile = PayoutProfile(
      kind: .mediator, agencyCode: Self.agencyCode,
      destination: .bank(.init(maskedNumber: "**** 1234", ifsc: "IFSC1", bankName: "Bank", holderName: "Holder")))
    return request
  }

  private func recorded(_ paise: Int64, ref: String) throws -> RecordPayout {
    var record = try RecordPayout(
      payer: .agency(Fixture.owner), beneficiary: Fixture.mediator, amount: Money(paise: paise), ref: ref,
      actor: .system)
    record.profile = PayoutProfile(kind: .mediator, agencyCode: Self.agencyCode, destination: nil)
    return record
  }

  private func income(_ fixture: WalletStoreFixture, _ paise: Int64 = 50_000) async throws {
    try await fixture.fund(0)
    _ = try await fixture.queue.perform(
      try Deposit(
        owner: Fixture.mediator, amount: Money(paise: paise), ref: "income", actor: .system, limits: Fixture.limits))
  }

  private func expectSound(_ fixture: WalletStoreFixture, orders: Int = 0) async throws {
    #expect(try await fixture.books(orders: orders).contradictionsWithoutAudits == [])
    let report = try await Reconciliation.check(try await fixture.reader.snapshot(), clock: fixture.clock)
    #expect(report.findings == [])
  }

  @Test("a reversal reverses the settlement's rows, and only those", arguments: StoreKind.available)
  func reversal(kind: StoreKind) async throws {
    try await kind.withBooks { fixture in
      try await fixture.fund(100_000)
      for order in [1, 2] {
        _ = try await fixture.queue.perform(try Fixture.lock(order))
        _ = try await fixture.queue.perform(try Fixture.settle(order))
      }
      let answer = try await fixture.queue.perform(try unsettle(1)).applied
      #expect(answer?.hold.isOpen == true)
      #expect(try await fixture.queue.perform(try unsettle(1)).replayed == answer)
      let rows = try await fixture.books(orders: 3).rows.filter { $0.status == .reversed }
      #expect(Set(rows.map(\.posting.text)) == ["order-settle:\(Fixture.order(1)):1"] && rows.count == 6)
      #expect(await code { try await fixture.queue.perform(try unsettle(3)) } == .notSettled)
      try await expectSound(fixture, orders: 3)
      _ = try await fixture.queue.perform(
        try SettleOrderFunds(
          order: Fixture.order(1), seq: 2, holdSeq: 2, terms: try Fixture.terms(), resolve: false, voidedTries: 0,
          actor: .system))
      try await expectSound(fixture, orders: 3)
    }
  }

  @Test("a payout comes back as it was written, in every state", arguments: StoreKind.available)
  func payoutRoundTrip(kind: StoreKind) async throws {
    try await kind.withBooks { fixture in
      try await income(fixture)
      let requested = try #require(try await fixture.queue.perform(try request(1_000, id: "1")).applied).payout
      #expect(try await fixture.reader.payout(requested.id) == requested)
      let started = try await fixture.queue.perform(
        StartPayout(id: requested.id, provider: "bank", providerRef: nil, actor: .system)
      ).applied
      #expect(try await fixture.reader.payout(requested.id) == started)
      try await expectSound(fixture)
      let failed = try await fixture.queue.perform(
        FailPayout(id: requested.id, failureCode: "X", failureMessage: "Because", actor: .system)
      ).applied
      #expect(try await fixture.reader.payout(requested.id) == failed)
      let again = try await fixture.queue.perform(try request(1_000, id: "1")).replayed?.payout
      #expect(again == failed)
      #expect(await code { try await fixture.queue.perform(try request(999, id: "1")) } == .idempotencyMismatch)
      try await expectSound(fixture)
    }
  }

  @Test("a reference belongs to one live payout", arguments: StoreKind.available)
  func references(kind: StoreKind) async throws {
    try await kind.withBooks { fixture in
      try await income(fixture)
      var ids: [PayoutID] = []
      for id in ["1", "2"] {
        ids.append(try #require(try await fixture.queue.perform(try request(1_000, id: id)).applied).payout.id)
        _ = try await fixture.queue.perform(
          StartPayout(id: ids.last!, provider: "bank", providerRef: nil, actor: .system))
      }
      let reference = ProviderRef(provider: "bank", ref: "UTR")
      _ = try await fixture.queue.perform(CompletePayout(id: ids[0], reference: reference, actor: .system))
      let second = CompletePayout(id: ids[1], reference: reference, actor: .system)
      #expect(await code { try await fixture.queue.perform(second) } == .duplicateProviderRef)
      let again = CompletePayout(id: ids[0], reference: reference, actor: .system)
      #expect(try await fixture.queue.perform(again).replayed?.id == ids[0])

      let record = try #require(try await fixture.queue.perform(try recorded(700, ref: "A")).applied)
      #expect(await code { try await fixture.queue.perform(try recorded(701, ref: "A")) } == .duplicateProviderRef)
      _ = try await fixture.queue.perform(DeletePayout(id: record.id, actor: .system))
      #expect(try await fixture.reader.payout(record.id) == nil)
      #expect(try await fixture.queue.perform(try recorded(701, ref: "A")).applied?.amount == Money(paise: 701))
      try await expectSound(fixture)
    }
  }

  @Test("of parallel requests no more are open than may be", arguments: StoreKind.available)
  func openPayouts(kind: StoreKind) async throws {
    try await kind.withBooks { fixture in
      try await income(fixture)
      let codes = await withTaskGroup(of: ErrorCode?.self) { group in
        for number in 0..<12 {
          group.addTask { await code { try await fixture.queue.perform(try request(100, id: "\(number)")) } }
        }
        return await group.reduce(into: []) { $0.append($1) }
      }
      #expect(codes.count { $0 == nil } == 5 && codes.count { $0 == .tooManyPending } == 7)
      try await expectSound(fixture)
    }
  }

  @Test("payouts are listed by beneficiary, network, state and time", arguments: StoreKind.available)
  func payoutList(kind: StoreKind) async throws {
    try await kind.withBooks { fixture in
      try await income(fixture)
      for number in 0..<5 {
        if number == 3 { fixture.clock.advance(by: .seconds(1)) }
        _ = try await fixture.queue.perform(try recorded(100, ref: "\(number)"))
      }
      _ = try await fixture.queue.perform(try request(100, id: "1"))
      let filters: [(PayoutFilter, Int)] = [
        (PayoutFilter(), 6), (PayoutFilter(beneficiary: Fixture.mediator), 6),
        (PayoutFilter(beneficiary: Fixture.buyer), 0), (PayoutFilter(network: Self.agencyCode), 6),
        (PayoutFilter(network: PartyCode("AGY_TWO")), 0), (PayoutFilter(status: .recorded), 5),
        (PayoutFilter(network: Self.agencyCode, status: .requested), 1), (PayoutFilter(from: fixture.clock.now()), 3),
        (PayoutFilter(status: .recorded, to: fixture.clock.now()), 3),
      ]
      for (filter, count) in filters {
        var found: [Payout] = []
        var cursor = ""
        repeat {
          let page = try await fixture.reader.payouts(
            filter, try PageRequest(size: 2, cursor: cursor, includeTotal: true, filters: filter.description))
          found += page.items
          #expect(page.total == Int64(count))
          cursor = page.next?.text(filters: filter.description) ?? ""
        } while !cursor.isEmpty
        #expect(found.count == count && Set(found.map(\.id)).count == count, "\(filter.description)")
        #expect(found == found.sorted { ($1.requestedAt, $1.id) < ($0.requestedAt, $0.id) })
      }
    }
  }

  @Test("payments to agencies are listed by brand; manual ones moved nothing", arguments: StoreKind.available)
  func agencyPayments(kind: StoreKind) async throws {
    try await kind.withBooks { fixture in
      try await fixture.fund(1_000)
      for (number, mode) in [PaymentMode.wallet, .manual, .wallet].enumerated() {
        var payment = try PayAgency(
          brand: Fixture.owner, agency: Fixture.mediator, amount: Money(paise: 300), ref: "\(number)", mode: mode,
          actor: .system, limits: Fixture.limits)
        payment.names = PayAgency.Names(brand: "B", agency: "A", agencyCode: Self.agencyCode!)
        _ = try await fixture.queue.perform(payment)
      }
      let page = try PageRequest(size: 10, cursor: "", includeTotal: false, filters: [])
      let rows = try await fixture.reader.agencyPayments(of: Fixture.owner, page).items
      #expect(rows.map { $0.leg.metadata["mode"] }.sorted { $0 ?? "" < $1 ?? "" } == ["manual", "wallet", "wallet"])
      #expect(rows.filter { $0.leg.isMemo }.allSatisfy { $0.walletEntry?.changesBalance == false })
      #expect(try await fixture.reader.wallet(of: Fixture.owner)?.balances.available == Money(paise: 400))
      #expect(try await fixture.reader.agencyPayments(of: Fixture.buyer, page).items.isEmpty)
      try await expectSound(fixture)
    }
  }

  @Test("a closed wallet is gone, and its owner may have another", arguments: StoreKind.available)
  func closing(kind: StoreKind) async throws {
    try await kind.withBooks { fixture in
      try await fixture.fund(0)
      let old = try #require(try await fixture.reader.wallet(of: Fixture.owner))
      _ = try await fixture.queue.perform(try CloseWallet(owner: Fixture.owner, actor: .system))
      #expect(try await fixture.reader.wallet(of: Fixture.owner) == nil)
      #expect(try await fixture.reader.wallet(old.id) == nil)
      _ = try await fixture.queue.perform(try Fixture.deposit(5, ref: "again"))
      #expect(try await fixture.reader.wallet(of: Fixture.owner)?.id != old.id)
      let snapshot = try await fixture.reader.snapshot()
      #expect(try await snapshot.wallets(after: nil, limit: 10).contains { $0.id == old.id && $0.closedAt != nil })
      try await expectSound(fixture)
    }
  }

  @Test("the balances of a moment are those after its last posting", arguments: StoreKind.available)
  func pastBalances(kind: StoreKind) async throws {
    try await kind.withBooks { fixture in
      try await fixture.fund(100_000)
      let wallet = try #require(try await fixture.reader.wallet(of: Fixture.owner)).id
      let buyer = try #require(try await fixture.reader.wallet(of: Fixture.buyer)).id
      var moments: [(Timestamp, Balances, Int64)] = []
      for order in 0..<6 {
        fixture.clock.advance(by: .seconds(1))
        // Two postings of one wallet in one millisecond: the versions tell which was the last.
        _ = try await fixture.queue.perform(try Fixture.lock(order))
        if order.isMultiple(of: 2) { _ = try await fixture.queue.perform(try Fixture.settle(order)) }
        let now = try #require(try await fixture.reader.wallet(of: Fixture.owner))
        moments.append((fixture.clock.now(), now.balances, now.version))
      }
      for (moment, balances, version) in moments {
        for later in [0, 999] {
          let past = try await fixture.reader.balances(of: wallet, at: moment.advanced(by: .milliseconds(later)))
          #expect(past == PastBalances(balances: balances, version: version))
        }
      }
      let never = try await fixture.reader.balances(of: buyer, at: Timestamp(milliseconds: 0))
      #expect(never == PastBalances(balances: .zero, version: 0))
      #expect(try await fixture.reader.balances(of: buyer, at: fixture.clock.now()).balances.pending.paise == 15_000)
    }
  }

  // Goal: what is looked up by time is right although clocks are not. Method: the clock is set back as far as it may be
  // between postings, and another process, whose clock is as late, takes over; then it is set back too far.
  @Test("a clock that is set back dates no posting before its predecessor", arguments: StoreKind.available)
  func clockSetBack(kind: StoreKind) async throws {
    try await kind.withBooks { fixture in
      try await fixture.fund(100_000)
      let wallet = try #require(try await fixture.reader.wallet(of: Fixture.owner)).id
      let before = fixture.clock.now()
      fixture.clock.advance(by: .seconds(1) - WriterTerm.clockBehindMax)
      _ = try await fixture.queue.perform(try Fixture.lock(0))
      await fixture.queue.resign()
      let successor = PostingQueue(
        store: fixture.ledger, clock: fixture.clock, limits: Fixture.limits, holder: { "second" },
        pause: { _ in await Task.yield() })
      _ = try await successor.perform(try Fixture.lock(1))
      let books = try await fixture.books(orders: 2)
      let dated = books.rows.filter { $0.walletEntry?.walletID == wallet }
        .sorted { ($0.walletEntry?.versionAfter ?? 0) < ($1.walletEntry?.versionAfter ?? 0) }.map(\.createdAt)
      #expect(dated == dated.sorted() && Set(dated).count == 3)
      let now = try #require(try await fixture.reader.wallet(of: Fixture.owner))
      for (later, version) in [(0, 1), (1, 2), (2, 3)] as [(Int, Int64)] {
        let past = try await fixture.reader.balances(of: wallet, at: before.advanced(by: .milliseconds(later)))
        #expect(past.version == version)
        if version == now.version { #expect(past.balances == now.balances) }
      }
      fixture.clock.advance(by: .seconds(7_200))
      _ = try await successor.perform(try Fixture.deposit(1, ref: "later"))
      #expect(try await fixture.reader.wallet(of: Fixture.owner)?.updatedAt == fixture.clock.now())
      fixture.clock.advance(by: .milliseconds(-1) - WriterTerm.clockBehindMax)
      _ = try await successor.perform(try Fixture.deposit(1, ref: "far behind"))
      #expect(try await fixture.reader.wallet(of: Fixture.owner)?.updatedAt == fixture.clock.now())
      try await expectSound(fixture, orders: 2)
    }
  }

  @Test("totals count every wallet, payout and open hold", arguments: StoreKind.available)
  func totals(kind: StoreKind) async throws {
    try await kind.withBooks { fixture in
      try await income(fixture)
      _ = try await fixture.queue.perform(try Fixture.deposit(100_000, ref: "x"))
      _ = try await fixture.queue.perform(try Fixture.lock(1))
      _ = try await fixture.queue.perform(try request(1_000, id: "1"))
      let totals = try await fixture.reader.totals()
      #expect(totals.wallets[.brand]?.balances.locked == Money(paise: 10_250))
      #expect(totals.wallets[.mediator]?.balances.available == Money(paise: 49_000))
      #expect(totals.wallets.values.reduce(0) { $0 + $1.count } == 3)
      #expect(totals.payouts == [.requested: WalletTotals.Amounts(count: 1, amount: Money(paise: 1_000))])
      #expect(totals.openHolds == WalletTotals.Amounts(count: 1, amount: Money(paise: 10_250)))
    }
  }

  // Goal: a snapshot shows one moment. Method: post behind its back, and compare.
  @Test("a snapshot stays as it is while others write", arguments: StoreKind.available)
  func snapshot(kind: StoreKind) async throws {
    try await kind.withBooks { fixture in
      try await fixture.fund(100_000)
      _ = try await fixture.queue.perform(try Fixture.lock(1))
      let snapshot = try await fixture.reader.snapshot()
      _ = try await fixture.queue.perform(try Fixture.settle(1))
      _ = try await fixture.queue.perform(try Fixture.deposit(7, ref: "late"))
      let report = try await Reconciliation.check(snapshot, clock: fixture.clock)
      #expect(report.findings == [] && report.rows == 2 + 4 && report.holds == 1)
      #expect(try await snapshot.holdTotals().open == Money(paise: 10_250))
      let later = try await Reconciliation.check(try await fixture.reader.snapshot(), clock: fixture.clock)
      #expect(later.findings == [] && later.rows == 2 + 4 + 6 + 2)
    }
  }
}

extension Outcome {
  fileprivate var applied: Answer? {
    if case .applied(let answer) = self { answer } else { nil }
  }

  fileprivate var replayed: Answer? {
    if case .replayed(let answer) = self { answer } else { nil }
  }
}
