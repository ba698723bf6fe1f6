import Access
import IdentityDomain
import IdentityMemory
import Kernel
import Messages
import RPC
import Testing

@testable import IdentityAPI

@Suite("What other services and the caller itself are told")
struct InternalServiceTests {
  private let store = InMemoryIdentityStore()
  private let service: IdentityInternalService
  private let context = CallContext(
    method: MethodDescriptor(service: "mobo.identity.v1.IdentityInternalService", name: "Any"))

  init() async throws {
    let plan = SeedPlan(ids: HashedSeedIDs(), now: Timestamp(milliseconds: 0))
    for person in SeedPerson.base { try await store.register(plan.account(person, passwordHash: "x")) }
    for connection in try plan.connections(among: SeedPerson.base) { try await store.ensureConnection(connection) }
    service = IdentityInternalService(store: store, signingKeys: try TestKeys.ring())
  }

  private func id(_ key: String) -> String { HashedSeedIDs().id(forKey: key) }

  @Test("a principal is what is stored, and whether the parties above are active")
  func principal() async throws {
    func principal() async throws -> IdentityV1.Principal? {
      try await service.getPrincipal(IdentityV1.GetPrincipalRequest(userId: id("shopperA3")), context).principal
    }
    let before = try #require(try await principal())
    #expect(before.roles == [.shopper])
    #expect(before.status == .active)
    #expect(before.parentCode == "MED_TEST")
    #expect(before.upstreamActive && !before.isVerifiedByMediator)
    store.setStatus(.suspended, of: UserID(known: id("agencyA")))
    #expect(try await principal()?.upstreamActive == false)
  }

  @Test("nobody has no principal")
  func nobody() async {
    let failure = await #expect(throws: Failure.self) {
      try await service.getPrincipal(
        IdentityV1.GetPrincipalRequest(userId: "ffffffffffffffffffffffff"), context)
    }
    #expect(failure?.code == .userNotFound)
  }

  @Test("a lineage is asked for by user or by code, in any case")
  func lineage() async throws {
    let byUser = try await service.getLineage(IdentityV1.GetLineageRequest(userId: id("shopperA1")), context)
    #expect(byUser.subject?.userId == id("shopperA1"))
    #expect(byUser.mediator?.code == "MED_TEST")
    #expect(byUser.agency?.code == "AGY_TEST")
    #expect(byUser.subject?.payoutFingerprints.count == 1)
    #expect(byUser.subject?.payoutFingerprints != byUser.mediator?.payoutFingerprints)
    let byCode = try await service.getLineage(IdentityV1.GetLineageRequest(code: " brd_test "), context)
    #expect(byCode.subject?.userId == id("brandA"))
    #expect(byCode.subject?.code == "BRD_TEST")
    #expect(byCode.mediator == nil && byCode.agency == nil)
  }

  @Test("suspended parties are told with their status, deleted ones are absent")
  func inactive() async throws {
    store.setStatus(.suspended, of: UserID(known: id("mediatorA")))
    store.delete(UserID(known: id("agencyA")))
    let lineage = try await service.getLineage(IdentityV1.GetLineageRequest(userId: id("shopperA1")), context)
    #expect(lineage.mediator?.status == .suspended)
    #expect(lineage.agency == nil)
  }

  @Test(
    "a lineage needs exactly one well-formed question",
    arguments: [
      (nil, nil, ErrorCode.validationFailed), ("aaaaaaaaaaaaaaaaaaaaaaaa", "MED_TEST", .validationFailed),
      (nil, "!", .validationFailed), (nil, "NOBODY", .userNotFound), ("aaaaaaaaaaaaaaaaaaaaaaaa", nil, .userNotFound),
    ] as [(String?, String?, ErrorCode)])
  func malformed(userID: String?, code: String?, expected: ErrorCode) async {
    let failure = await #expect(throws: Failure.self) {
      try await service.getLineage(IdentityV1.GetLineageRequest(userId: userID, code: code), context)
    }
    #expect(failure?.code == expected)
  }

  @Test("a brand and an agency are told with their status, and whether they are connected")
  func connected() async throws {
    func ask(_ brand: String, _ agency: String) async throws -> IdentityV1.AreConnectedResponse {
      try await service.areConnected(
        IdentityV1.AreConnectedRequest(brandUserId: id(brand), agencyUserId: id(agency)), context)
    }
    let pair = try await ask("brandA", "agencyA")
    #expect(pair.connected && pair.brand?.code == "BRD_TEST" && pair.agency?.code == "AGY_TEST")
    let strangers = try await ask("brandA", "agencyB")
    #expect(!strangers.connected && strangers.agency?.code == "AGY_TWO")
    let wrong = try await ask("agencyA", "mediatorA")
    #expect(!wrong.connected && wrong.brand == nil && wrong.agency == nil)
    store.setStatus(.suspended, of: UserID(known: id("agencyA")))
    #expect(try await ask("brandA", "agencyA").agency?.status == .suspended)
  }

  @Test("a payout's destination comes with what the payout depends on, and account numbers masked")
  func destination() async throws {
    func ask(_ key: String) async throws -> IdentityV1.GetPayoutDestinationResponse {
      try await service.getPayoutDestination(IdentityV1.GetPayoutDestinationRequest(userId: id(key)), context)
    }
    let mediator = try await ask("mediatorA")
    #expect(mediator.upiId == "mediatora@upi" && mediator.kycStatus == .verified && mediator.upstreamActive)
    #expect(mediator.agencyCode == "AGY_TEST" && mediator.bankDetails == nil)
    #expect(try await ask("agencyA").agencyCode == "AGY_TEST")
    #expect(try await ask("shopperA1").agencyCode == "AGY_TEST")
    #expect(try await ask("shopperA2").upiId == nil)
    #expect(try await ask("mediatorA2").kycStatus == .pending)

    let plan = SeedPlan(ids: HashedSeedIDs(), now: Timestamp(milliseconds: 0))
    for (number, ifsc) in [("001234567890", "IFSC0001"), ("12", "IFSC0001"), ("001234567890", " ")] {
      let other = InMemoryIdentityStore()
      let person = try #require(SeedPerson.base.first { $0.key == "shopperA2" })
      var account = try plan.account(person, passwordHash: "x")
      account.user.bankDetails = BankDetails(
        accountNumber: number, ifsc: ifsc, bankName: "Bank", holderName: "Holder")
      try await other.register(account)
      let found = try await IdentityInternalService(store: other, signingKeys: try TestKeys.ring())
        .getPayoutDestination(IdentityV1.GetPayoutDestinationRequest(userId: id("shopperA2")), context)
      let masked = number == "12" ? "12" : "********7890"
      #expect(found.bankDetails?.accountNumber == (ifsc == " " ? nil : masked))
      #expect(!found.upstreamActive)
    }
    store.setStatus(.suspended, of: UserID(known: id("agencyA")))
    #expect(try await ask("mediatorA").upstreamActive == false)
  }

  @Test("the published keys are public, the current one first")
  func keys() async throws {
    let keys = try await service.getSigningKeys(IdentityV1.GetSigningKeysRequest(), context).keys
    #expect(keys.count == 2)
    #expect(keys.allSatisfy { $0.kty == "OKP" && $0.crv == "Ed25519" && $0.alg == "EdDSA" && $0.use == "sig" })
    #expect(Set(keys.map(\.kid)).count == 2)
  }

  @Test("GetMe tells the own user unmasked, with role document and connections")
  func me() async throws {
    let harness = try await LoginHarness()
    var context = context
    context[CallerKey.self] = .user(
      try #require(try await StoredPrincipals(store: harness.store).principal(harness.id("shopperA1"), fresh: true)),
      token: "t")
    let me = try await harness.service.getMe(IdentityV1.GetMeRequest(), context)
    #expect(me.user?.upiId == "a1@upi")
    #expect(me.user?.mobile == "9000000004")
    #expect(me.shopperProfile?.defaultMediatorCode == "MED_TEST")
    #expect(me.agency == nil && me.brand == nil && me.connections.isEmpty)
  }

  @Test("GetMe is for people")
  func anonymous() async throws {
    let harness = try await LoginHarness()
    let failure = await #expect(throws: Failure.self) {
      try await harness.service.getMe(IdentityV1.GetMeRequest(), context)
    }
    #expect(failure?.code == .unauthenticated)
  }
}
