import IdentityDomain
import Kernel
import Testing

@Suite("The identity store's contract")
struct IdentityStoreTests {
  private static let now = Timestamp(milliseconds: 1_750_000_000_000)

  // MARK: Accounts

  @Test("what is registered is read back as it was written", arguments: StoreKind.available)
  func roundTrip(kind: StoreKind) async throws {
    try await kind.withIdentityStore { bench in
      let account = try Self.account("mediatorA", status: .pending) { user in
        user.email = "m@example.com"
        user.kycStatus = .verified
        user.kycDocuments = KycDocuments(panCard: "ABCDE1234F", aadhaar: nil, gst: nil)
        user.bankDetails = BankDetails(accountNumber: "1", ifsc: "I", bankName: "B", holderName: "H")
        user.loginCounters = LoginCounters(failedAttempts: 3, lockedUntil: Self.now)
      }
      try await bench.store.register(account)
      #expect(try await bench.store.account(account.user.id) == account)
      #expect(try await bench.store.account(UserID(known: "ffffffffffffffffffffffff")) == nil)
    }
  }

  @Test("a mobile, a username and an email belong to one live account", arguments: StoreKind.available)
  func duplicates(kind: StoreKind) async throws {
    try await kind.withIdentityStore { bench in
      try await bench.store.register(try Self.account("admin") { $0.email = "a@example.com" })
      let sameMobile = try Self.account("shopperA1") { $0.mobile = Self.mobile("9000000000") }
      #expect(await Self.refusal { try await bench.store.register(sameMobile) } == .mobileAlreadyExists)
      let sameName = try Self.account("ops") { $0.username = Username("root") }
      #expect(await Self.refusal { try await bench.store.register(sameName) } == .usernameAlreadyExists)
      let sameEmail = try Self.account("ops") { $0.email = "a@example.com" }
      #expect(await Self.refusal { try await bench.store.register(sameEmail) } == .emailAlreadyExists)
      #expect(try await bench.store.account(Self.id("ops")) == nil)
    }
  }

  @Test("deletion frees mobile and username, and never a code", arguments: StoreKind.available)
  func deletion(kind: StoreKind) async throws {
    try await kind.withIdentityStore { bench in
      let agency = try Self.account("agencyA")
      try await bench.store.register(agency)
      try await bench.delete(agency.user.id)
      #expect(try await bench.store.account(agency.user.id) == nil)
      #expect(try await bench.store.lineage(ofCode: Self.code("AGY_TEST")) == nil)

      let sameMobile = try Self.account("shopperA1") { $0.mobile = Self.mobile("9000000001") }
      #expect(try await !bench.store.isTaken(sameMobile))
      try await bench.store.register(sameMobile)
      let sameCode = try Self.account("agencyB", code: "AGY_TEST")
      #expect(try await bench.store.isTaken(sameCode))
      await #expect(throws: (any Error).self) { try await bench.store.register(sameCode) }
    }
  }

  @Test("an account's place is taken by id, mobile, username or code", arguments: StoreKind.available)
  func places(kind: StoreKind) async throws {
    try await kind.withIdentityStore { bench in
      try await bench.store.register(try Self.account("admin"))
      try await bench.store.register(try Self.account("brandA"))
      #expect(try await bench.store.isTaken(try Self.account("admin")))
      #expect(try await bench.store.isTaken(try Self.account("ops") { $0.username = Username("root") }))
      #expect(try await bench.store.isTaken(try Self.account("ops") { $0.mobile = Self.mobile("9000000003") }))
      #expect(try await bench.store.isTaken(try Self.account("brandB", code: "BRD_TEST")))
      #expect(try await !bench.store.isTaken(try Self.account("ops")))
    }
  }

  @Test("a repaired administrator has its roles, is active and unlocked", arguments: StoreKind.available)
  func repair(kind: StoreKind) async throws {
    try await kind.withIdentityStore { bench in
      let account = try Self.account("ops", status: .suspended) { user in
        user.loginCounters = LoginCounters(failedAttempts: 7, lockedUntil: Self.now)
      }
      try await bench.store.register(account)
      try await bench.store.repairStaff(account.user.id, roles: [.admin, .ops], passwordHash: "new", at: Self.now)
      let repaired = try #require(try await bench.store.account(account.user.id)).user
      #expect(repaired.roles == [.admin, .ops])
      #expect(repaired.status == .active)
      #expect(repaired.loginCounters == LoginCounters())
      #expect(repaired.passwordHash == "new")
    }
  }

  // MARK: Lineage and connections

  @Test("lineage follows the codes upwards, and stops at deleted parties", arguments: StoreKind.available)
  func lineage(kind: StoreKind) async throws {
    try await kind.withIdentityStore { bench in
      try await Self.registerNetwork(bench)
      let lineage = try #require(try await bench.store.lineage(of: Self.id("shopperA1")))
      #expect(lineage.mediator?.id == Self.id("mediatorA"))
      #expect(lineage.agency?.id == Self.id("agencyA"))
      #expect(lineage.upstreamActive)

      try await bench.setStatus(.suspended, Self.id("agencyA"))
      #expect(try await bench.store.lineage(of: Self.id("shopperA1"))?.upstreamActive == false)
      #expect(try await bench.store.lineage(of: Self.id("mediatorA"))?.agency?.status == .suspended)

      try await bench.delete(Self.id("mediatorA"))
      let orphan = try #require(try await bench.store.lineage(of: Self.id("shopperA1")))
      #expect(orphan.mediator == nil && orphan.agency == nil && !orphan.upstreamActive)
    }
  }

  @Test("codes of agencies, mediators and brands lead to their owners", arguments: StoreKind.available)
  func codes(kind: StoreKind) async throws {
    try await kind.withIdentityStore { bench in
      try await Self.registerNetwork(bench)
      #expect(try await bench.store.lineage(ofCode: Self.code("AGY_TEST"))?.subject.id == Self.id("agencyA"))
      let mediator = try await bench.store.lineage(ofCode: Self.code("MED_TEST"))
      #expect(mediator?.subject.id == Self.id("mediatorA") && mediator?.agency?.id == Self.id("agencyA"))
      #expect(try await bench.store.lineage(ofCode: Self.code("BRD_TEST"))?.subject.id == Self.id("brandA"))
      #expect(try await bench.store.lineage(ofCode: Self.code("NOBODY")) == nil)
    }
  }

  @Test("a username finds staff only, a mobile finds everybody", arguments: StoreKind.available)
  func identifiers(kind: StoreKind) async throws {
    try await kind.withIdentityStore { bench in
      try await bench.store.register(try Self.account("admin"))
      try await bench.store.register(try Self.account("shopperA1") { $0.username = Username("sly") })
      func found(_ identifier: LoginIdentifier) async throws -> UserID? {
        try await bench.store.lineage(signingInBy: identifier)?.subject.id
      }
      #expect(try await found(.username(#require(Username("root")))) == Self.id("admin"))
      #expect(try await found(.username(#require(Username("sly")))) == nil)
      #expect(try await found(.mobile(Self.mobile("9000000000"))) == Self.id("admin"))
      #expect(try await found(.mobile(Self.mobile("9000000004"))) == Self.id("shopperA1"))
    }
  }

  @Test("a pair has one open connection, seen from both sides", arguments: StoreKind.available)
  func connections(kind: StoreKind) async throws {
    try await kind.withIdentityStore { bench in
      try await Self.registerNetwork(bench)
      let connection = try #require(try Self.plan.connections(among: SeedPerson.base).first)
      try await bench.store.ensureConnection(connection)
      try await bench.store.ensureConnection(connection)
      let brand = try #require(try await bench.store.account(Self.id("brandA")))
      #expect(brand.connections == [connection])
      #expect(brand.roleDocuments.brand?.connectedAgencyCodes.map(\.rawValue) == ["AGY_TEST"])
      #expect(try await bench.store.account(Self.id("agencyA"))?.connections == [connection])
      #expect(try await bench.store.account(Self.id("shopperA1"))?.connections.isEmpty == true)
    }
  }

  // MARK: Logins

  @Test("wrong passwords count up to the lock, and the lock wins over a late guess", arguments: StoreKind.available)
  func counting(kind: StoreKind) async throws {
    try await kind.withIdentityStore { bench in
      try await bench.store.register(try Self.account("shopperA1"))
      func guess(at now: Timestamp) async throws -> LoginRefusal {
        try await bench.store.recordRefusal(
          .invalidPassword, of: Self.id("shopperA1"), Self.attempt(at: now), policy: LoginPolicy())
      }
      for _ in 1...7 { #expect(try await guess(at: Self.now) == .invalidPassword) }
      #expect(try await guess(at: Self.now) == .accountLocked(secondsLeft: 900))
      let user = try #require(try await bench.store.account(Self.id("shopperA1"))).user
      #expect(user.loginCounters.failedAttempts == 7)

      let afterwards = Self.now.advanced(by: .seconds(900))
      #expect(try await guess(at: afterwards) == .invalidPassword)
      let again = try #require(try await bench.store.account(Self.id("shopperA1"))).user
      #expect(again.loginCounters == LoginCounters(failedAttempts: 1))
    }
  }

  @Test("other refusals count nothing, and every attempt is audited", arguments: StoreKind.available)
  func audit(kind: StoreKind) async throws {
    try await kind.withIdentityStore { bench in
      try await bench.store.register(try Self.account("shopperA1"))
      let id = Self.id("shopperA1")
      let refusals: [LoginRefusal] = [.usernameRequired, .userNotActive, .upstreamSuspended]
      for refusal in refusals {
        let answer = try await bench.store.recordRefusal(
          refusal, of: id, Self.attempt(at: Self.now), policy: LoginPolicy())
        #expect(answer == refusal)
      }
      _ = try await bench.store.recordRefusal(
        .userNotFound, of: nil, Self.attempt(at: Self.now), policy: LoginPolicy())
      #expect(try await bench.store.openSession(Self.login("shopperA1")) == nil)
      let reasons = try await bench.auditReasons().map { $0 ?? "success" }
      #expect(
        reasons.sorted() == ["success", "upstream_suspended", "user_not_active", "user_not_found", "username_required"])
      #expect(try await bench.store.account(id)?.user.loginCounters == LoginCounters())
    }
  }

  @Test("a session clears the counters and renews the hash", arguments: StoreKind.available)
  func session(kind: StoreKind) async throws {
    try await kind.withIdentityStore { bench in
      try await bench.store.register(
        try Self.account("shopperA1") { $0.loginCounters = LoginCounters(failedAttempts: 6) })
      #expect(try await bench.store.openSession(Self.login("shopperA1", renewedHash: "renewed")) == nil)
      let user = try #require(try await bench.store.account(Self.id("shopperA1"))).user
      #expect(user.loginCounters == LoginCounters())
      #expect(user.passwordHash == "renewed")
      #expect(try await bench.sessionCount() == 1)
    }
  }

  @Test("no session for who was locked, suspended or deleted in the meantime", arguments: StoreKind.available)
  func refusedSession(kind: StoreKind) async throws {
    try await kind.withIdentityStore { bench in
      let locked = LoginCounters(failedAttempts: 7, lockedUntil: Self.now.advanced(by: .seconds(1)))
      try await bench.store.register(try Self.account("shopperA1") { $0.loginCounters = locked })
      try await bench.store.register(try Self.account("shopperA2", status: .suspended))
      try await bench.store.register(try Self.account("shopperA3"))
      try await bench.delete(Self.id("shopperA3"))
      #expect(try await bench.store.openSession(Self.login("shopperA1")) == .accountLocked(secondsLeft: 1))
      #expect(try await bench.store.openSession(Self.login("shopperA2")) == .userNotActive)
      #expect(try await bench.store.openSession(Self.login("shopperA3")) == .userNotFound)
      #expect(try await bench.sessionCount() == 0)
    }
  }

  @Test("parallel logins of one account all succeed", arguments: StoreKind.available)
  func parallel(kind: StoreKind) async throws {
    try await kind.withIdentityStore { bench in
      try await bench.store.register(try Self.account("shopperA1"))
      try await withThrowingTaskGroup(of: LoginRefusal?.self) { group in
        for _ in 1...20 { group.addTask { try await bench.store.openSession(Self.login("shopperA1")) } }
        for try await refusal in group { #expect(refusal == nil) }
      }
      #expect(try await bench.sessionCount() == 20)
    }
  }

  // MARK: Builders

  private static func refusal(_ work: () async throws -> Void) async -> ErrorCode? {
    do {
      try await work()
      return nil
    } catch {
      return (error as? Failure)?.code
    }
  }

  private static let plan = SeedPlan(ids: ContractSeedIDs(), now: now)

  private static func id(_ key: String) -> UserID { UserID(known: ContractSeedIDs().id(forKey: key)) }

  private static func account(
    _ key: String, status: UserStatus = .active, code: String? = nil, _ change: (inout User) -> Void = { _ in }
  ) throws -> Account {
    let person = try #require(SeedPerson.base.first { $0.key == key })
    var account = try plan.account(person, passwordHash: "hash")
    account.user.status = status
    account.roleDocuments.mediatorProfile?.status = status
    if let code = code.flatMap({ PartyCode($0) }) {
      if account.user.role == .brand { account.user.brandCode = code } else { account.user.mediatorCode = code }
    }
    change(&account.user)
    return account
  }

  private static func registerNetwork(_ bench: IdentityStoreBench) async throws {
    for key in ["agencyA", "mediatorA", "brandA", "shopperA1"] { try await bench.store.register(account(key)) }
  }

  private static func attempt(at now: Timestamp) -> LoginAttempt {
    LoginAttempt(
      id: .generate(at: now), at: now, client: ClientDescription(ip: "192.0.2.1", userAgent: nil), requestID: "r-1")
  }

  private static func login(_ key: String, renewedHash: String? = nil) -> AcceptedLogin {
    let attempt = attempt(at: now)
    let session = Session(
      id: .generate(at: now), userID: id(key), familyID: .generate(at: now), tokenHash: "hash of \(attempt.id)",
      issuedAt: now, expiresAt: now.advanced(by: .seconds(60)), client: attempt.client)
    return AcceptedLogin(
      attempt: attempt, session: session, role: .shopper, roles: [.shopper], renewedPasswordHash: renewedHash)
  }

  private static func mobile(_ text: String) -> Mobile {
    guard let mobile = Mobile(text) else { preconditionFailure("the test's mobile is malformed") }
    return mobile
  }

  private static func code(_ text: String) -> PartyCode {
    guard let code = PartyCode(text) else { preconditionFailure("the test's code is malformed") }
    return code
  }
}
