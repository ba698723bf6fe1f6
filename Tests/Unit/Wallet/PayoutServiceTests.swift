import Access
import Kernel
import Messages
import RPC
import Stubs
import Testing
import WalletAPI
import WalletDomain
import WalletMemory

/// Who may do what with payouts and payments, and in which order the handlers refuse.
@Suite("Wallet service: payouts and payments")
struct PayoutServiceTests {
  private let harness = WalletHarness()
  private let agency = UserID.sample(30)

  private func service(_ directory: any PartyDirectory = NobodyIsAsked(), exportRowsMax: Int = 50_000) -> WalletService
  {
    WalletService(
      queue: harness.queue, store: harness.ledger, directory: directory, limits: harness.limits,
      pageLimits: PageLimits(), exportRowsMax: exportRowsMax, clock: harness.clock)
  }

  private func context(
    _ method: MethodDescriptor, _ role: Role, _ id: UserID, code: String? = nil
  ) -> CallContext {
    var context = CallContext(method: method)
    let principal = Principal(
      userID: id, name: "Somebody", mobile: "9000000000", roles: [role], status: .active,
      mediatorCode: code.flatMap { PartyCode($0) })
    context[CallerKey.self] = .user(principal, token: "")
    return context
  }

  private func requestPayout(_ beneficiary: PayoutBeneficiary, id: String = "r-1") async throws -> WalletV1.Payout {
    let response = try await service(FixedDirectory(beneficiaries: [harness.mediator: beneficiary])).requestPayout(
      WalletV1.RequestPayoutRequest(requestId: id, amountPaise: 1_000),
      context(WalletServiceMethods.requestPayout, .mediator, harness.mediator))
    return try #require(response.payout)
  }

  private func fund() async throws {
    try await harness.openWallets()
    try await harness.deposit(10_000, ref: "income", to: harness.mediator)
  }

  // Goal: the table of DOMAIN 6. Method: what the proto declares is what the access interceptor enforces.
  @Test("every method is open to the roles of the table, and to nobody else")
  func roles() {
    let staff = ["admin", "ops"]
    let expected: [String: [String]] = [
      "GetWallet": ["*"], "ListTransactions": ["*"], "ExportLedger": ["*"], "GetBalanceAt": ["*"], "Deposit": staff,
      "StartPayout": staff, "CompletePayout": staff, "FailPayout": staff, "RecordManualPayout": staff,
      "PayAgency": ["brand"] + staff, "ListBrandLedger": ["brand"] + staff,
      "RequestPayout": ["shopper", "mediator", "agency"],
      "CancelPayout": ["shopper", "mediator", "agency"] + staff, "RecordAgencyPayout": ["agency"],
      "DeletePayout": staff + ["agency"], "ListPayouts": ["shopper", "mediator", "agency"] + staff,
      "DeleteWallet": ["admin"], "GetWalletStats": staff, "Reconcile": staff,
    ]
    #expect(Set(expected.keys) == Set(WalletServiceMethods.all.map(\.name)))
    for method in WalletServiceMethods.all {
      #expect(Set(method.rules.roles) == Set(expected[method.name] ?? []), "\(method.name)")
      let changes = !["Get", "List", "Export", "Reconcile"].contains { method.name.hasPrefix($0) }
      #expect(method.rules.mutating == changes, "\(method.name)")
    }
    for method in WalletInternalServiceMethods.all {
      #expect(method.rules.roles.isEmpty && !method.rules.callers.isEmpty)
    }
  }

  @Test(
    "a payout needs KYC of mediators and agencies, and a place to send it",
    arguments: [
      (Role.mediator, true, true, nil), (.mediator, false, true, .kycRequired), (.agency, false, true, .kycRequired),
      (.shopper, false, true, nil), (.mediator, true, false, .payoutDestinationMissing),
      (.mediator, false, false, .kycRequired),
    ] as [(Role, Bool, Bool, ErrorCode?)])
  func requirements(role: Role, isKYCVerified: Bool, hasDestination: Bool, refusal: ErrorCode?) async throws {
    try await fund()
    let beneficiary = PayoutBeneficiary.sample(
      harness.mediator, role, isKYCVerified: isKYCVerified, destination: hasDestination ? .upi("a@upi") : nil)
    #expect(await code { try await requestPayout(beneficiary) } == refusal)
  }

  @Test("a repeated request is answered without asking anybody")
  func replay() async throws {
    try await fund()
    let first = try await requestPayout(.sample(harness.mediator))
    let again = try await service().requestPayout(
      WalletV1.RequestPayoutRequest(requestId: "r-1", amountPaise: 1_000),
      context(WalletServiceMethods.requestPayout, .mediator, harness.mediator))
    #expect(again.replayed && again.payout == first)
    let other = WalletV1.RequestPayoutRequest(requestId: "r-1", amountPaise: 1_001)
    let context = context(WalletServiceMethods.requestPayout, .mediator, harness.mediator)
    #expect(await code { try await service().requestPayout(other, context) } == .idempotencyMismatch)
  }

  @Test(
    "a payout is canceled by its beneficiary and by staff",
    arguments: [
      (Role.mediator, 3, nil), (.admin, 90, nil), (.ops, 91, nil), (.mediator, 4, .forbidden),
      (.agency, 30, .forbidden), (.shopper, 2, .forbidden),
    ] as [(Role, Int, ErrorCode?)])
  func cancel(role: Role, caller: Int, refusal: ErrorCode?) async throws {
    try await fund()
    let payout = try await requestPayout(.sample(harness.mediator))
    let context = context(WalletServiceMethods.cancelPayout, role, .sample(caller), code: "AGY_TEST")
    func cancel(_ id: String) async throws -> WalletV1.CancelPayoutResponse {
      try await service().cancelPayout(WalletV1.CancelPayoutRequest(payoutId: id), context)
    }
    #expect(await code { try await cancel(payout.id) } == refusal)
    // Also when there is an answer to repeat: a stranger learns nothing of it.
    #expect(await code { try await cancel(payout.id) } == refusal)
    #expect(await code { try await cancel(PayoutID.sample(5).rawValue) } == .payoutNotFound)
  }

  @Test(
    "nobody is paid while suspended, nor below somebody who is; a payout under way ends all the same",
    arguments: [
      (UserStatus.active, true, nil), (.suspended, true, .frozenSuspension), (.active, false, .frozenSuspension),
    ]
      as [(UserStatus, Bool, ErrorCode?)])
  func frozen(status: UserStatus, upstreamActive: Bool, refusal: ErrorCode?) async throws {
    try await fund()
    let now = FixedDirectory(beneficiaries: [
      harness.mediator: .sample(harness.mediator, status: status, upstreamActive: upstreamActive)
    ])
    let payout = try await requestPayout(.sample(harness.mediator))
    let staff = context(WalletServiceMethods.startPayout, .ops, .sample(90))
    let start = WalletV1.StartPayoutRequest(payoutId: payout.id, provider: "bank")
    #expect(await code { try await service(now).startPayout(start, staff) } == refusal)
    let manual = WalletV1.RecordManualPayoutRequest(
      beneficiaryUserId: harness.mediator.rawValue, amountPaise: 1, providerRef: "M-1")
    #expect(await code { try await service(now).recordManualPayout(manual, staff) } == refusal)
    if refusal != nil {
      let before = FixedDirectory(beneficiaries: [harness.mediator: .sample(harness.mediator)])
      _ = try await service(before).startPayout(start, staff)
    }
    let completion = WalletV1.CompletePayoutRequest(payoutId: payout.id, provider: "bank", providerRef: "U-1")
    #expect(try await service().completePayout(completion, staff).payout?.status == .paid)
  }

  @Test("a manual payout goes to somebody who has a wallet")
  func manualBeneficiary() async throws {
    let staff = context(WalletServiceMethods.recordManualPayout, .admin, .sample(90))
    let request = WalletV1.RecordManualPayoutRequest(
      beneficiaryUserId: UserID.sample(50).rawValue, amountPaise: 1, providerRef: "M-1")
    #expect(await code { try await service(FixedDirectory()).recordManualPayout(request, staff) } == .userNotFound)
    let ops = FixedDirectory(beneficiaries: [.sample(50): .sample(.sample(50), .ops)])
    #expect(await code { try await service(ops).recordManualPayout(request, staff) } == .invalidBeneficiary)
  }

  @Test(
    "an agency records payments to its own active mediators",
    arguments: [
      (Role.mediator, "AGY_TEST", UserStatus.active, nil), (.mediator, "AGY_TWO", .active, .forbidden),
      (.mediator, "AGY_TWO", .suspended, .forbidden), (.mediator, "AGY_TEST", .suspended, .frozenSuspension),
      (.shopper, "AGY_TEST", .active, .invalidBeneficiary), (nil, "", .active, .mediatorNotFound),
    ] as [(Role?, String, UserStatus, ErrorCode?)])
  func agencyRecord(role: Role?, network: String, status: UserStatus, refusal: ErrorCode?) async throws {
    var directory = FixedDirectory()
    if let role {
      directory.beneficiaries[harness.mediator] = .sample(harness.mediator, role, status: status, agency: network)
    }
    let request = WalletV1.RecordAgencyPayoutRequest(
      mediatorId: harness.mediator.rawValue, amountPaise: 700, ref: "A-1")
    let context = context(WalletServiceMethods.recordAgencyPayout, .agency, agency, code: "AGY_TEST")
    #expect(await code { try await service(directory).recordAgencyPayout(request, context) } == refusal)
  }

  @Test("records are deleted by staff and by the agency of their network, once")
  func delete() async throws {
    let directory = FixedDirectory(beneficiaries: [harness.mediator: .sample(harness.mediator)])
    let payout = try #require(
      try await service(directory).recordAgencyPayout(
        WalletV1.RecordAgencyPayoutRequest(mediatorId: harness.mediator.rawValue, amountPaise: 700, ref: "A-1"),
        context(WalletServiceMethods.recordAgencyPayout, .agency, agency, code: "AGY_TEST")
      ).payout)
    let request = WalletV1.DeletePayoutRequest(requestId: "d-1", payoutId: payout.id)
    let other = context(WalletServiceMethods.deletePayout, .agency, .sample(31), code: "AGY_TWO")
    #expect(await code { try await service().deletePayout(request, other) } == .forbidden)
    let own = context(WalletServiceMethods.deletePayout, .agency, agency, code: "AGY_TEST")
    #expect(try await !service().deletePayout(request, own).replayed)
    #expect(try await service().deletePayout(request, own).replayed)
    let again = WalletV1.DeletePayoutRequest(requestId: "d-2", payoutId: payout.id)
    #expect(await code { try await service().deletePayout(again, own) } == .payoutNotFound)
  }

  @Test("people list their own payouts, an agency its mediators' as well, staff all")
  func list() async throws {
    try await fund()
    _ = try await requestPayout(.sample(harness.mediator))
    let directory = FixedDirectory(beneficiaries: [
      harness.mediator: .sample(harness.mediator), .sample(9): .sample(.sample(9), .mediator, agency: "AGY_TWO"),
    ])
    func list(
      _ role: Role, _ caller: UserID, code: String? = nil, of beneficiary: UserID? = nil
    ) async throws -> Int {
      try await service(directory).listPayouts(
        WalletV1.ListPayoutsRequest(beneficiaryUserId: beneficiary?.rawValue),
        context(WalletServiceMethods.listPayouts, role, caller, code: code)
      ).items.count
    }
    #expect(try await list(.mediator, harness.mediator) == 1)
    #expect(try await list(.shopper, harness.buyer) == 0)
    #expect(try await list(.agency, agency, code: "AGY_TEST") == 1)
    #expect(try await list(.agency, agency, code: "AGY_TWO") == 0)
    #expect(try await list(.ops, .sample(90), of: harness.mediator) == 1)
    #expect(try await list(.agency, agency, code: "AGY_TEST", of: harness.mediator) == 1)
    #expect(await code { try await list(.shopper, harness.buyer, of: harness.mediator) } == .forbidden)
    #expect(await code { try await list(.agency, agency, code: "AGY_TEST", of: .sample(9)) } == .forbidden)
    #expect(await code { try await list(.shopper, harness.buyer, of: .sample(8)) } == .userNotFound)
  }

  @Test("a brand pays for itself only; staff say for whom")
  func payAgency() async throws {
    try await harness.openWallets()
    try await harness.deposit(10_000, ref: "A")
    func pay(_ role: Role, _ caller: UserID, brand: UserID? = nil, ref: String) async throws -> Int64? {
      try await service(FixedDirectory()).payAgency(
        WalletV1.PayAgencyRequest(
          brandUserId: brand?.rawValue, agencyId: agency.rawValue, amountPaise: 1_000, ref: ref),
        context(WalletServiceMethods.payAgency, role, caller)
      ).wallet?.availablePaise
    }
    #expect(try await pay(.brand, harness.owner, ref: "1") == 9_000)
    #expect(try await pay(.admin, .sample(90), brand: harness.owner, ref: "2") == 8_000)
    #expect(await code { try await pay(.admin, .sample(90), ref: "3") } == .validationFailed)
    #expect(await code { try await pay(.brand, .sample(80), brand: harness.owner, ref: "1") } == .forbidden)
    let ledger = try await service().listBrandLedger(
      WalletV1.ListBrandLedgerRequest(), context(WalletServiceMethods.listBrandLedger, .brand, harness.owner))
    #expect(ledger.items.map(\.ref).sorted() == ["1", "2"] && ledger.items.allSatisfy { $0.agencyCode == "AGY_TEST" })
    let foreign = WalletV1.ListBrandLedgerRequest(brandUserId: harness.owner.rawValue)
    let stranger = context(WalletServiceMethods.listBrandLedger, .brand, .sample(80))
    #expect(await code { try await service().listBrandLedger(foreign, stranger) } == .forbidden)
  }

  @Test("an export is bounded, audited, and shows what the list shows")
  func export() async throws {
    try await fund()
    func export(_ role: Role, _ caller: UserID, rowsMax: Int = 50_000) async throws -> Int32 {
      try await service(exportRowsMax: rowsMax).exportLedger(
        WalletV1.ExportLedgerRequest(), context(WalletServiceMethods.exportLedger, role, caller)
      ).rows
    }
    #expect(try await export(.mediator, harness.mediator) == 1)
    #expect(try await export(.shopper, harness.buyer) == 0)
    #expect(try await export(.admin, .sample(90), rowsMax: 2) == 2)
    #expect(await code { try await export(.admin, .sample(90), rowsMax: 1) } == .exportTooLarge)
    let foreign = WalletV1.ExportLedgerRequest(ownerUserId: harness.mediator.rawValue)
    let shopper = context(WalletServiceMethods.exportLedger, .shopper, harness.buyer)
    #expect(await code { try await service().exportLedger(foreign, shopper) } == .forbidden)
    let brandLedger = WalletV1.ExportLedgerRequest(brandLedger: true)
    #expect(await code { try await service().exportLedger(brandLedger, shopper) } == .forbidden)
    let audits = harness.ledger.books.records.filter { $0.action == .dataExported }
    #expect(audits.map { $0.facts["rows"] } == [.count(1), .count(0), .count(2)])
  }

  @Test("a wallet is deleted only when that is meant")
  func deleteWallet() async throws {
    try await harness.openWallets()
    let admin = context(WalletServiceMethods.deleteWallet, .admin, .sample(90))
    func delete(confirm: Bool, id: String = "") async throws -> Bool {
      let response = try await service().deleteWallet(
        WalletV1.DeleteWalletRequest(requestId: id, ownerUserId: harness.owner.rawValue, confirm: confirm), admin
      )
      return response.replayed
    }
    #expect(await code { try await delete(confirm: false) } == .confirmationRequired)
    #expect(try await delete(confirm: true, id: "d-1") == false)
    #expect(try await delete(confirm: true, id: "d-1"))
    #expect(await code { try await delete(confirm: true, id: "d-2") } == .walletNotFound)
    let close = WalletV1.CloseWalletRequest(ownerUserId: harness.owner.rawValue)
    var call = CallContext(method: WalletInternalServiceMethods.closeWallet)
    call[CallerKey.self] = .service("identity", actor: .system)
    #expect(try await !service().closeWallet(close, call).closed)
  }

  @Test("balances of the past are those of their moment")
  func balanceAt() async throws {
    try await harness.openWallets()
    let start = harness.clock.now()
    var expected: [(Timestamp, Int64, Int64)] = [(start.advanced(by: .milliseconds(-1)), 0, 0)]
    for order in 1...3 {
      harness.clock.advance(by: .seconds(60))
      try await harness.deposit(20_000, ref: "\(order)")
      _ = try await harness.queue.perform(try harness.lock(1, of: .sample(order)))
      expected.append((harness.clock.now(), Int64(order) * 10_000, Int64(order) * 10_000))
    }
    let caller = context(WalletServiceMethods.getBalanceAt, .brand, harness.owner)
    for (moment, available, locked) in expected {
      let past = try await service().getBalanceAt(
        WalletV1.GetBalanceAtRequest(at: GoogleProtobuf.Timestamp(moment)), caller)
      #expect(past.availablePaise == available && past.lockedPaise == locked && past.pendingPaise == 0)
    }
    let stranger = context(WalletServiceMethods.getBalanceAt, .shopper, harness.buyer)
    let foreign = WalletV1.GetBalanceAtRequest(
      ownerUserId: harness.owner.rawValue, at: GoogleProtobuf.Timestamp(start))
    #expect(await code { try await service().getBalanceAt(foreign, stranger) } == .forbidden)
  }
}
