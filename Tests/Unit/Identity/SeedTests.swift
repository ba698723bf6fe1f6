import IdentityDomain
import IdentityMemory
import Kernel
import Logging
import Testing

@testable import IdentityAPI

@Suite("Seed")
struct SeedTests {
  private let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

  @Test("ids are the first 24 hex digits of SHA-256 of mobo/seed/<key>")
  func ids() {
    // printf mobo/seed/shopperA1 | sha256sum
    #expect(HashedSeedIDs().id(forKey: "shopperA1") == "559b82b94c2f9e9ca6c683af")
    #expect(HashedSeedIDs().id(forKey: "admin") == "8fe0b77cd2b1ab8c70715b96")
  }

  @Test("base has thirteen accounts with distinct mobiles, ids and codes")
  func base() throws {
    let plan = SeedPlan(ids: HashedSeedIDs(), now: Timestamp(milliseconds: 0))
    let accounts = try SeedPerson.base.map { try plan.account($0, passwordHash: "x") }
    #expect(accounts.count == 13)
    #expect(Set(accounts.map(\.user.id)).count == 13)
    #expect(Set(accounts.map(\.user.mobile)).count == 13)
    #expect(Set(accounts.compactMap(\.user.ownCode)).count == 7)
    #expect(accounts.allSatisfy { $0.user.roles.contains($0.user.role) })
    #expect(try plan.connections(among: SeedPerson.base).map(\.agencyCode.rawValue) == ["AGY_TEST", "AGY_TWO"])
  }

  @Test("seeding again creates nothing, hashes nothing and undoes nothing")
  func twice() async throws {
    let store = InMemoryIdentityStore()
    let passwords = CountingPasswords()
    let seeding = Seeding(store: store, passwords: passwords, now: Timestamp(milliseconds: 0), logger: quiet)
    try await seeding.applyBase()
    let shopper = UserID(known: HashedSeedIDs().id(forKey: "shopperA1"))
    store.setStatus(.suspended, of: shopper)
    try await seeding.applyBase()
    #expect(passwords.hashes == 13)
    #expect(try await store.account(shopper)?.user.status == .suspended)
    let brand = UserID(known: HashedSeedIDs().id(forKey: "brandA"))
    #expect(try await store.account(brand)?.connections.count == 1)
    #expect(try await store.account(brand)?.roleDocuments.brand?.connectedAgencyCodes.map(\.rawValue) == ["AGY_TEST"])
  }

  @Test("a deleted seed account stays deleted, and its codes stay taken")
  func deleted() async throws {
    let store = InMemoryIdentityStore()
    let seeding = Seeding(store: store, passwords: CountingPasswords(), now: Timestamp(milliseconds: 0), logger: quiet)
    try await seeding.applyBase()
    let mediator = UserID(known: HashedSeedIDs().id(forKey: "mediatorB"))
    store.delete(mediator)
    try await seeding.applyBase()
    #expect(try await store.account(mediator) == nil)
  }

  @Test("the administrator is created once and repaired when broken")
  func administrator() async throws {
    let store = InMemoryIdentityStore()
    let passwords = CountingPasswords()
    let seeding = Seeding(store: store, passwords: passwords, now: Timestamp(milliseconds: 0), logger: quiet)
    func apply(_ password: String) async throws {
      try await seeding.applyAdministrator(
        username: "Boss", password: password, mobile: "9000000000", name: "The Boss")
    }
    try await apply("aB3$efgh")
    try await apply("aB3$efgh")
    #expect(passwords.hashes == 1)
    let boss = LoginIdentifier.username(try #require(Username("boss")))
    let admin = try #require(try await store.lineage(signingInBy: boss)).subject
    #expect(admin.roles == [.admin, .ops])

    store.setStatus(.suspended, of: admin.id)
    try await apply("aB3$efgh-2")
    let repaired = try #require(try await store.account(admin.id)?.user)
    #expect(repaired.status == .active)
    #expect(repaired.passwordHash == "h:aB3$efgh-2")
    await #expect(throws: Failure.self) { try await apply("weak") }
  }
}
