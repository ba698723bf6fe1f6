import Kernel
import Testing
import WalletDomain
import WalletMemory

@Suite("Payments to agencies")
struct AgencyPaymentTests {
  private let agency = UserID.sample(30)

  private func pay(
    _ harness: WalletHarness, _ paise: Int64 = 25_000, ref: String = "UTR-1", mode: PaymentMode = .wallet
  ) throws -> PayAgency {
    var payment = try PayAgency(
      brand: harness.owner, agency: agency, amount: Money(paise: paise), ref: ref, mode: mode, actor: .system,
      limits: harness.limits)
    payment.names = PayAgency.Names(brand: "Brand", agency: "Agency", agencyCode: PartyCode("AGY_TEST")!)
    return payment
  }

  @Test("money goes from brand to agency, whose wallet is opened for it")
  func wallet() async throws {
    let harness = try await WalletHarness.funded(100_000)
    let answer = try #require(try await harness.queue.perform(try pay(harness)).answer)
    #expect(answer.wallet?.balances.available == Money(paise: 75_000) && answer.row.leg.type == .agencyPayout)
    #expect(harness.balances(agency) == [25_000, 0, 0])
    let rows = harness.rows("brand_agency_payout:\(harness.owner):\(agency):UTR-1")
    #expect(rows.map(\.leg.type) == [.agencyPayout, .agencyReceipt])
    #expect(rows.allSatisfy { $0.leg.metadata["agencyCode"] == "AGY_TEST" && $0.leg.metadata["mode"] == "wallet" })
    #expect(harness.ledger.books.records.map(\.action) == [.agencyPaymentRecorded])
    #expect(harness.ledger.books.events.last?.users == [harness.owner, agency].sorted())
    #expect(harness.ledger.books.contradictions == [])
  }

  @Test("a manual payment is two memo rows, and changes no balance and no version")
  func manual() async throws {
    let harness = try await WalletHarness.funded(100)
    let before = try #require(harness.ledger.books.wallet(of: harness.owner))
    let answer = try #require(try await harness.queue.perform(try pay(harness, mode: .manual)).answer)
    #expect(answer.wallet == before)
    let rows = harness.rows("brand_agency_payout:\(harness.owner):\(agency):UTR-1")
    #expect(rows.allSatisfy { $0.leg.isMemo && $0.walletEntry?.bucket == .available })
    #expect(rows.allSatisfy { $0.walletEntry?.balanceAfter == nil && $0.walletEntry?.versionAfter == nil })
    #expect(harness.balances(agency) == [0, 0, 0])
    #expect(harness.ledger.books.contradictions == [])
    #expect(try await Reconciliation.check(harness.ledger.books, clock: harness.clock).findings == [])
  }

  @Test("one reference is one payment, whatever its mode")
  func replay() async throws {
    let harness = try await WalletHarness.funded(100_000)
    let first = try await harness.queue.perform(try pay(harness))
    let again = try await harness.queue.perform(try pay(harness))
    #expect(again.isReplay && first.answer?.row == again.answer?.row)
    #expect(await code { try await harness.queue.perform(try pay(harness, 24_999)) } == .idempotencyMismatch)
    #expect(await code { try await harness.queue.perform(try pay(harness, mode: .manual)) } == .idempotencyMismatch)
    #expect(harness.balances(agency) == [25_000, 0, 0])
  }

  @Test("a repetition is answered also when the brand's wallet was closed meanwhile")
  func closedSince() async throws {
    let harness = try await WalletHarness.funded(25_000)
    let first = try await harness.queue.perform(try pay(harness))
    _ = try await harness.queue.perform(try CloseWallet(owner: harness.owner, actor: .system))
    let again = try await harness.queue.perform(try pay(harness))
    #expect(again.isReplay && again.answer?.row == first.answer?.row && again.answer?.wallet == nil)
    #expect(harness.balances(agency) == [25_000, 0, 0])
  }

  @Test(
    "an amount is at least one paisa, at most the limit, and at most what is there",
    arguments: [
      (.min, .invalidAmount), (0, .invalidAmount), (1, nil), (1_000, nil), (1_001, .insufficientFunds),
      (1_000_000_000, .insufficientFunds), (1_000_000_001, .amountOutOfRange), (.max, .amountOutOfRange),
    ] as [(Int64, ErrorCode?)])
  func amounts(paise: Int64, refusal: ErrorCode?) async throws {
    let harness = try await WalletHarness.funded(1_000)
    #expect(await code { try await harness.queue.perform(try pay(harness, paise)) } == refusal)
  }

  @Test("an agency has a ceiling")
  func ceiling() async throws {
    let harness = try await WalletHarness.funded(1_000, limits: WalletLimits(businessBalanceMax: Money(paise: 1_000)))
    _ = try await harness.queue.perform(try pay(harness, 600))
    try await harness.deposit(600, ref: "again")
    #expect(await code { try await harness.queue.perform(try pay(harness, 401, ref: "2")) } == .balanceLimitExceeded)
  }

  @Test(
    "existence comes before scope, and scope before state; staff need no connection",
    arguments: [
      (nil, "AGY_TEST", true, false, .active, .active, .brandNotFound),
      ("BRD_TEST", nil, false, false, .active, .active, .agencyNotFound),
      ("BRD_TEST", "AGY_TEST", false, false, .suspended, .suspended, .forbidden),
      ("BRD_TEST", "AGY_TEST", false, true, .active, .active, nil),
      ("BRD_TEST", "AGY_TEST", true, false, .suspended, .suspended, .brandNotActive),
      ("BRD_TEST", "AGY_TEST", true, false, .active, .pending, .agencyNotActive),
      ("BRD_TEST", "AGY_TEST", true, false, .active, .active, nil),
    ] as [(String?, String?, Bool, Bool, UserStatus, UserStatus, ErrorCode?)])
  func link(
    brand: String?, agency: String?, isConnected: Bool, byStaff: Bool, brandStatus: UserStatus,
    agencyStatus: UserStatus, refusal: ErrorCode?
  ) async {
    let link = BrandAgencyLink(
      brand: brand.map { .sample($0, status: brandStatus) }, agency: agency.map { .sample($0, status: agencyStatus) },
      isConnected: isConnected)
    #expect(await code { try link.payment(byStaff: byStaff) } == refusal)
  }
}
