import Access
import Kernel
import Messages
import RPC
import Stubs
import Testing
import WalletAPI
import WalletDomain
import WalletMemory

/// The handlers over books in memory: what they let through, and in which order they refuse.
@Suite("Wallet service")
struct WalletServiceTests {
  private let harness = WalletHarness()

  private func service(_ directory: any PartyDirectory = NobodyIsAsked()) -> WalletService {
    WalletService(
      queue: harness.queue, store: harness.ledger, directory: directory, limits: harness.limits,
      pageLimits: PageLimits(), exportRowsMax: 50_000, clock: harness.clock)
  }

  private func context(_ method: MethodDescriptor, _ role: Role, _ id: UserID) -> CallContext {
    var context = CallContext(method: method)
    let principal = Principal(userID: id, name: "Somebody", mobile: "9000000000", roles: [role], status: .active)
    context[CallerKey.self] = .user(principal, token: "")
    return context
  }

  private func deposit(
    _ service: WalletService, paise: Int64 = 700, ref: String = "A", requestID: String = ""
  ) async throws -> WalletV1.DepositResponse {
    try await service.deposit(
      WalletV1.DepositRequest(
        requestId: requestID, ownerUserId: harness.owner.rawValue, amountPaise: paise, ref: ref),
      context(WalletServiceMethods.deposit, .admin, .sample(90)))
  }

  @Test(
    "a wallet is shown to its owner and to staff; existence comes before scope",
    arguments: [
      (Role.brand, 1, 1, nil), (.admin, 90, 1, nil), (.ops, 90, 1, nil), (.shopper, 2, 1, .forbidden),
      (.shopper, 2, 8, .walletNotFound), (.admin, 90, 90, .walletNotFound),
    ] as [(Role, Int, Int, ErrorCode?)])
  func getWallet(role: Role, caller: Int, owner: Int, refusal: ErrorCode?) async throws {
    try await harness.openWallets()
    let request = WalletV1.GetWalletRequest(ownerUserId: UserID.sample(owner).rawValue)
    let context = context(WalletServiceMethods.getWallet, role, .sample(caller))
    #expect(await code { try await service().getWallet(request, context) } == refusal)
  }

  @Test("without an owner the caller's own wallet is meant")
  func ownWallet() async throws {
    try await harness.openWallets()
    let response = try await service().getWallet(
      WalletV1.GetWalletRequest(), context(WalletServiceMethods.getWallet, .shopper, harness.buyer))
    #expect(response.wallet?.ownerUserId == harness.buyer.rawValue && response.wallet?.ownerKind == .shopper)
  }

  @Test("users list the rows of their own wallet, staff all rows")
  func listTransactions() async throws {
    try await harness.openWallets()
    try await harness.deposit(50_000, ref: "A")
    _ = try await harness.queue.perform(try harness.lock())
    _ = try await harness.queue.perform(try harness.settle())
    func rows(
      _ role: Role, _ caller: UserID, _ request: WalletV1.ListTransactionsRequest = .init()
    ) async throws -> [WalletV1.Transaction] {
      try await service().listTransactions(
        request, context(WalletServiceMethods.listTransactions, role, caller)
      ).items
    }
    #expect(try await rows(.shopper, harness.buyer).map(\.amountPaise) == [5_000])
    #expect(try await rows(.shopper, harness.buyer, .init(includeMemo: true)).count == 3)
    #expect(try await rows(.admin, .sample(90)).count == 7)
    #expect(try await rows(.shopper, .sample(80)).isEmpty)
    let foreign = WalletV1.ListTransactionsRequest(ownerUserId: harness.owner.rawValue)
    #expect(await code { try await rows(.shopper, harness.buyer, foreign) } == .forbidden)
    let wallet = try #require(harness.ledger.books.wallet(of: harness.owner))
    let foreignWallet = WalletV1.ListTransactionsRequest(walletId: wallet.id.rawValue)
    #expect(await code { try await rows(.shopper, harness.buyer, foreignWallet) } == .forbidden)
    let unknown = WalletV1.ListTransactionsRequest(walletId: WalletID.sample(5).rawValue)
    #expect(await code { try await rows(.shopper, harness.buyer, unknown) } == .walletNotFound)
  }

  @Test(
    "a bad page is refused before a wallet is looked for",
    arguments: [
      (WalletV1.ListTransactionsRequest(pageSize: -1), ErrorCode.validationFailed),
      (.init(pageSize: 0), .walletNotFound), (.init(cursor: "00"), .invalidCursor), (.init(), .walletNotFound),
    ])
  func pageBeforeExistence(page: WalletV1.ListTransactionsRequest, refusal: ErrorCode) async throws {
    try await harness.openWallets()
    let context = context(WalletServiceMethods.listTransactions, .shopper, harness.buyer)
    var request = page
    request.walletId = WalletID.sample(5).rawValue
    #expect(await code { try await service().listTransactions(request, context) } == refusal)
    request.walletId = nil
    request.ownerUserId = harness.owner.rawValue
    let scoped: ErrorCode = refusal == .walletNotFound ? .forbidden : refusal
    #expect(await code { try await service().listTransactions(request, context) } == scoped)
  }

  // Goal: a cursor continues the list that it came from, however the caller names the own wallet, and no other list.
  @Test("a cursor belongs to the caller's own rows")
  func cursorOfOwnRows() async throws {
    try await harness.openWallets()
    for ref in ["A", "B"] { try await harness.deposit(100, ref: ref) }
    let brand = context(WalletServiceMethods.listTransactions, .brand, harness.owner)
    let first = try await service().listTransactions(.init(pageSize: 1), brand)
    #expect(!first.nextCursor.isEmpty)
    let named = WalletV1.ListTransactionsRequest(
      pageSize: 1, cursor: first.nextCursor, ownerUserId: harness.owner.rawValue)
    let second = try await service().listTransactions(named, brand)
    #expect(second.items.count == 1 && second.items.map(\.id) != first.items.map(\.id))
    let shopper = context(WalletServiceMethods.listTransactions, .shopper, harness.buyer)
    let foreign = WalletV1.ListTransactionsRequest(pageSize: 1, cursor: first.nextCursor)
    #expect(await code { try await service().listTransactions(foreign, shopper) } == .invalidCursor)
  }

  @Test(
    "a deposit goes to active brands, agencies and mediators",
    arguments: [
      (Role.brand, UserStatus.active, nil), (.agency, .active, nil), (.mediator, .active, nil),
      (.shopper, .active, .invalidBeneficiary), (.admin, .active, .invalidBeneficiary),
      (.shopper, .suspended, .invalidBeneficiary), (.brand, .suspended, .frozenSuspension),
      (.mediator, .pending, .frozenSuspension),
    ] as [(Role, UserStatus, ErrorCode?)])
  func beneficiaries(role: Role, status: UserStatus, refusal: ErrorCode?) async throws {
    let service = service(OnePerson(role: role, status: status))
    #expect(await code { try await deposit(service) } == refusal)
    #expect(harness.ledger.books.wallets.count == (refusal == nil ? 1 : 0))
  }

  @Test("a deposit to nobody is refused")
  func unknownOwner() async throws {
    #expect(await code { try await deposit(service(OnePerson(role: nil, status: .active))) } == .userNotFound)
  }

  // Goal: a repeat gets its answer whatever has become of the owner. Method: identity must not even be asked.
  @Test("a repeated deposit is answered without asking who the owner is")
  func replayBeforeExistence() async throws {
    let first = try await deposit(service(OnePerson(role: .brand, status: .active)), requestID: "r-1")
    try await harness.deposit(1, ref: "B")
    let stored = try await deposit(service(), requestID: "r-1")
    #expect(stored.replayed && stored.wallet == first.wallet && stored.transaction == first.transaction)
    let known = try await deposit(service(), requestID: "r-2")
    #expect(known.replayed && known.wallet?.availablePaise == 701 && known.transaction == first.transaction)
    #expect(await code { try await deposit(service(), paise: 701, requestID: "r-1") } == .idempotencyMismatch)
    #expect(await code { try await deposit(service(), paise: 701) } == .idempotencyMismatch)
    #expect(await code { try await deposit(service(), paise: 0, requestID: "r-1") } == .invalidAmount)
  }

  @Test("every value of the domain has one on the wire")
  func spellings() {
    func stored<Value: RawRepresentable<String> & CaseIterable>(_ type: Value.Type) -> [String] {
      type.allCases.map(\.rawValue)
    }
    #expect(stored(TransactionType.self) == WalletV1.TransactionType.allCases.compactMap(\.stored))
    #expect(stored(TransactionStatus.self) == WalletV1.TransactionStatus.allCases.compactMap(\.stored))
    #expect(Set(stored(Bucket.self)) == Set(WalletV1.Bucket.allCases.compactMap(\.stored)))
    #expect(stored(Direction.self) == WalletV1.Direction.allCases.compactMap(\.stored))
    #expect(stored(HoldState.self) == WalletV1.HoldState.allCases.compactMap(\.stored))
    #expect(stored(PayoutStatus.self) == WalletV1.PayoutStatus.allCases.compactMap(\.stored))
    #expect(stored(PaymentMode.self) == WalletV1.PaymentMode.allCases.compactMap(\.stored))
    #expect(stored(OwnerKind.self) == CommonV1.OwnerKind.allCases.compactMap(\.stored))
  }
}
