import Kernel
import Testing
import WalletDomain
import WalletMemory

@Suite("Payouts")
struct PayoutTests {
  private static let agency = PartyCode("AGY_TEST")

  /// A mediator with so much available.
  private func harness(_ paise: Int64 = 50_000, limits: WalletLimits = WalletLimits()) async throws -> WalletHarness {
    let harness = WalletHarness(limits: limits)
    try await harness.openWallets()
    if paise > 0 { try await harness.deposit(paise, ref: "income", to: harness.mediator) }
    return harness
  }

  private func request(
    _ harness: WalletHarness, _ paise: Int64 = 10_000, id: String = "r-1",
    destination: PayoutDestination? = .upi("m@upi")
  ) throws -> RequestPayout {
    var request = try RequestPayout(
      beneficiary: harness.mediator, amount: Money(paise: paise), requestID: id, actor: .system, limits: harness.limits)
    request.profile = PayoutProfile(kind: .mediator, agencyCode: Self.agency, destination: destination)
    return request
  }

  private func requested(_ harness: WalletHarness, _ paise: Int64 = 10_000, id: String = "r-1") async throws -> Payout {
    try #require(try await harness.queue.perform(try request(harness, paise, id: id)).answer).payout
  }

  private func started(_ harness: WalletHarness, _ provider: String = "bank", ref: String? = nil) async throws -> Payout
  {
    let id = try await requested(harness).id
    return try #require(
      try await harness.queue.perform(StartPayout(id: id, provider: provider, providerRef: ref, actor: .system)).answer)
  }

  private func complete(_ id: PayoutID, _ provider: String = "bank", _ ref: String = "UTR-1") -> CompletePayout {
    CompletePayout(id: id, reference: ProviderRef(provider: provider, ref: ref), actor: .system)
  }

  private func fail(_ id: PayoutID) -> FailPayout {
    FailPayout(id: id, failureCode: "ACCOUNT_CLOSED", failureMessage: "The account is closed", actor: .system)
  }

  private func manual(_ harness: WalletHarness, _ paise: Int64 = 10_000, ref: String = "UTR-9") throws -> RecordPayout {
    var record = try RecordPayout(
      payer: .staff, beneficiary: harness.mediator, amount: Money(paise: paise), ref: ref, actor: .system)
    record.profile = PayoutProfile(kind: .mediator, agencyCode: Self.agency, destination: nil)
    return record
  }

  private func recorded(_ harness: WalletHarness, _ paise: Int64 = 10_000, ref: String = "A-1") throws -> RecordPayout {
    var record = try RecordPayout(
      payer: .agency(.sample(40)), beneficiary: harness.mediator, amount: Money(paise: paise), ref: ref, actor: .system)
    record.profile = PayoutProfile(kind: .mediator, agencyCode: Self.agency, destination: nil)
    return record
  }

  private func expectSound(_ harness: WalletHarness) async throws {
    #expect(harness.ledger.books.contradictions == [])
    #expect(try await Reconciliation.check(harness.ledger.books, clock: harness.clock).findings == [])
  }

  @Test("a request locks its amount; completion lets it leave the system")
  func paid() async throws {
    let harness = try await harness()
    let payout = try await requested(harness)
    #expect(payout.status == .requested && payout.destination == .upi("m@upi") && payout.version == 0)
    #expect(harness.balances(harness.mediator) == [40_000, 10_000, 0])
    let started = try await harness.queue.perform(
      StartPayout(id: payout.id, provider: "bank", providerRef: nil, actor: .system)
    ).answer
    #expect(started?.status == .processing && harness.balances(harness.mediator) == [40_000, 10_000, 0])
    let paid = try await harness.queue.perform(complete(payout.id)).answer
    #expect(paid?.status == .paid && paid?.providerRef == "UTR-1" && paid?.version == 2)
    #expect(paid?.processedAt == harness.clock.now())
    #expect(harness.balances(harness.mediator) == [40_000, 0, 0])
    #expect(harness.rows("payout_complete:\(payout.id)").map(\.leg.type) == [.payoutComplete, .payoutComplete])
    try await expectSound(harness)
  }

  @Test("what cannot be paid, or is not wanted any more, goes back", arguments: [true, false])
  func back(fails: Bool) async throws {
    let harness = try await harness()
    if fails {
      let payout = try await started(harness)
      let failed = try await harness.queue.perform(fail(payout.id)).answer
      #expect(failed?.status == .failed && failed?.failureCode == "ACCOUNT_CLOSED")
    } else {
      let payout = try await requested(harness)
      let canceled = try await harness.queue.perform(CancelPayout(id: payout.id, actor: .system)).answer
      #expect(canceled?.status == .canceled)
    }
    #expect(harness.balances(harness.mediator) == [50_000, 0, 0])
    try await expectSound(harness)
  }

  // Goal: DOMAIN 4.6, both sides: every state against every transition.
  @Test("only the transitions of the table happen", arguments: PayoutStatus.allCases)
  func transitions(from status: PayoutStatus) async throws {
    let harness = try await harness()
    let id: PayoutID
    switch status {
    case .requested: id = try await requested(harness).id
    case .processing: id = try await started(harness).id
    case .paid:
      id = try await started(harness).id
      _ = try await harness.queue.perform(complete(id, "bank", "DONE"))
    case .failed:
      id = try await started(harness).id
      _ = try await harness.queue.perform(fail(id))
    case .canceled:
      id = try await requested(harness).id
      _ = try await harness.queue.perform(CancelPayout(id: id, actor: .system))
    case .recorded: id = try #require(try await harness.queue.perform(try recorded(harness)).answer).id
    }
    func answer(_ command: some LedgerCommand) async -> String {
      let refusal = await code { try await harness.queue.perform(command) }
      return refusal?.rawValue ?? harness.ledger.books.payouts.first { $0.id == id }?.status.rawValue ?? ""
    }
    let cancel = await answer(CancelPayout(id: id, actor: .system))
    #expect((cancel == "canceled") == (status == .requested || status == .canceled))
    let start = await answer(StartPayout(id: id, provider: "bank", providerRef: nil, actor: .system))
    #expect(start == "PAYOUT_STATE_MISMATCH", "a requested payout has been canceled by now")
    let completed = await answer(complete(id))
    #expect((completed == "paid") == (status == .processing))
    let failed = await answer(fail(id))
    #expect((failed == "failed") == (status == .failed))
    let deleted = await code { try await harness.queue.perform(DeletePayout(id: id, actor: .system)) }
    #expect(deleted == (status == .recorded ? nil : .payoutHasLedger))
    try await expectSound(harness)
  }

  @Test("callbacks may come twice, and out of order")
  func callbacks() async throws {
    let harness = try await harness()
    let payout = try await started(harness)
    let paid = try await harness.queue.perform(complete(payout.id))
    let again = try await harness.queue.perform(complete(payout.id))
    #expect(!paid.isReplay && again.isReplay && paid.answer == again.answer)
    #expect(
      await code { try await harness.queue.perform(complete(payout.id, "bank", "UTR-2")) } == .payoutStateMismatch)
    #expect(await code { try await harness.queue.perform(complete(payout.id, "other")) } == .payoutStateMismatch)
    #expect(await code { try await harness.queue.perform(fail(payout.id)) } == .payoutStateMismatch)
    let events = harness.ledger.books.events.count { $0.topic == .payoutsChanged }
    #expect(events == 3, "a replay is no event")
    try await expectSound(harness)
  }

  @Test("a completion names the provider that the payout was given to, and its reference")
  func references() async throws {
    let harness = try await harness()
    let first = try await started(harness, ref: "B-1")
    let second = try await requested(harness, id: "r-2")
    #expect(await code { try await harness.queue.perform(complete(first.id, "other", "B-1")) } == .payoutStateMismatch)
    #expect(await code { try await harness.queue.perform(complete(first.id, "bank", "B-2")) } == .payoutStateMismatch)
    let taken = StartPayout(id: second.id, provider: "bank", providerRef: "B-1", actor: .system)
    #expect(await code { try await harness.queue.perform(taken) } == .duplicateProviderRef)
    _ = try await harness.queue.perform(StartPayout(id: second.id, provider: "bank", providerRef: nil, actor: .system))
    #expect(await code { try await harness.queue.perform(complete(second.id, "bank", "B-1")) } == .duplicateProviderRef)
    _ = try await harness.queue.perform(complete(first.id, "bank", "B-1"))
    _ = try await harness.queue.perform(complete(second.id, "bank", "B-2"))
    try await expectSound(harness)
  }

  @Test("a request id makes one payout for ever; with another amount it is a mistake")
  func requestID() async throws {
    let harness = try await harness()
    let first = try await requested(harness)
    harness.clock.advance(by: .seconds(86_400 * 400))
    let again = try await harness.queue.perform(try request(harness))
    #expect(again.isReplay && again.answer?.payout == first)
    #expect(await code { try await harness.queue.perform(try request(harness, 9_999)) } == .idempotencyMismatch)
    _ = try await harness.queue.perform(try request(harness, id: ""))
    _ = try await harness.queue.perform(try request(harness, id: ""))
    #expect(harness.ledger.books.payouts.count == 3)
    try await expectSound(harness)
  }

  @Test(
    "a request stays between its limits",
    arguments: [
      (.min, .invalidAmount), (-1, .invalidAmount), (0, .invalidAmount), (99, .amountOutOfRange), (100, nil),
      (20_000, nil), (20_001, .amountOutOfRange), (.max, .amountOutOfRange),
    ] as [(Int64, ErrorCode?)])
  func amounts(paise: Int64, refusal: ErrorCode?) async throws {
    let harness = try await harness(limits: WalletLimits(payoutMax: Money(paise: 20_000)))
    #expect(await code { try request(harness, paise) } == refusal)
  }

  @Test("a payout needs a destination, a free place and funds, in this order")
  func preconditions() async throws {
    let harness = try await harness(1_000, limits: WalletLimits(openPayoutsMax: 2))
    let nowhere = try request(harness, 5_000, destination: nil)
    #expect(await code { try await harness.queue.perform(nowhere) } == .payoutDestinationMissing)
    #expect(await code { try await harness.queue.perform(try request(harness, 1_001)) } == .insufficientFunds)
    for id in ["a", "b"] { _ = try await requested(harness, 400, id: id) }
    #expect(await code { try await harness.queue.perform(try request(harness, 5_000, id: "c")) } == .tooManyPending)
    let first = try #require(harness.ledger.books.payouts.first)
    _ = try await harness.queue.perform(CancelPayout(id: first.id, actor: .system))
    #expect(await code { try await harness.queue.perform(try request(harness, 600, id: "c")) } == nil)
    try await expectSound(harness)
  }

  @Test("somebody without a wallet has no funds, rather than no wallet")
  func noWallet() async throws {
    let harness = WalletHarness()
    #expect(await code { try await harness.queue.perform(try request(harness)) } == .insufficientFunds)
    #expect(harness.ledger.books.wallets.isEmpty)
  }

  @Test("a manual payout leaves available at once, once per reference")
  func manualPayout() async throws {
    let harness = try await harness()
    let first = try await harness.queue.perform(try manual(harness))
    #expect(first.answer?.status == .paid && first.answer?.provider == "manual")
    #expect(harness.balances(harness.mediator) == [40_000, 0, 0])
    #expect(try await harness.queue.perform(try manual(harness)).isReplay)
    #expect(await code { try await harness.queue.perform(try manual(harness, 9_999)) } == .duplicateProviderRef)
    let much = try manual(harness, 40_001, ref: "more")
    #expect(await code { try await harness.queue.perform(much) } == .insufficientFunds)
    #expect(await code { try manual(harness, 0) } == .invalidAmount)
    try await expectSound(harness)
  }

  @Test("an agency's record moves nothing, and may be deleted; its reference is free again")
  func agencyRecord() async throws {
    let harness = try await harness()
    let payout = try #require(try await harness.queue.perform(try recorded(harness)).answer)
    #expect(payout.status == .recorded && payout.provider == "agency:\(UserID.sample(40))")
    #expect(harness.balances(harness.mediator) == [50_000, 0, 0])
    #expect(harness.ledger.books.rows.allSatisfy { $0.leg.links.payout == nil })
    #expect(try await harness.queue.perform(try recorded(harness)).isReplay)
    #expect(await code { try await harness.queue.perform(try recorded(harness, 1)) } == .duplicateProviderRef)
    _ = try await harness.queue.perform(DeletePayout(id: payout.id, actor: .system))
    let again = DeletePayout(id: payout.id, actor: .system)
    #expect(await code { try await harness.queue.perform(again) } == .payoutNotFound)
    #expect(try await !harness.queue.perform(try recorded(harness, 1)).isReplay)
    try await expectSound(harness)
  }

  @Test("every change is audited once, and told to the beneficiary and its agency")
  func auditsAndEvents() async throws {
    let harness = try await harness()
    let payout = try await started(harness)
    _ = try await harness.queue.perform(complete(payout.id))
    let record = try #require(try await harness.queue.perform(try recorded(harness)).answer)
    _ = try await harness.queue.perform(DeletePayout(id: record.id, actor: .system))
    let books = harness.ledger.books
    #expect(
      books.records.map(\.action)
        == [.payoutRequested, .payoutStarted, .payoutProcessed, .payoutProcessed, .payoutDeleted])
    #expect(books.records.map { $0.facts["recordOnly"] } == [false, false, false, true, true].map { .flag($0) })
    let events = books.events.filter { $0.topic == .payoutsChanged }
    #expect(events.allSatisfy { $0.users == [harness.mediator] && $0.agencyCodes == [Self.agency] })
    #expect(events.map { $0.payload["status"] } == ["requested", "processing", "paid", "recorded", "recorded"])
    #expect(
      books.events.filter { $0.topic == .notificationsChanged }.map { $0.payload["source"] }
        == ["payout.recorded", "payout.deleted"])
    // One for the deposit, one for the request, one for the completion; a start moves no money.
    #expect(books.events.count { $0.topic == .walletsChanged && $0.users == [harness.mediator] } == 3)
  }

  @Test("fifty requests at once open no more payouts than may be open")
  func concurrent() async throws {
    let harness = try await harness()
    let codes = await withTaskGroup(of: ErrorCode?.self) { group in
      for number in 0..<50 {
        group.addTask { await code { try await harness.queue.perform(try request(harness, 100, id: "r-\(number)")) } }
      }
      return await group.reduce(into: []) { $0.append($1) }
    }
    #expect(codes.count { $0 == nil } == 5 && codes.count { $0 == .tooManyPending } == 45)
    try await expectSound(harness)
  }
}
