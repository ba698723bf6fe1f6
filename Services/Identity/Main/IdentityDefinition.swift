import Access
import Config
import IdentityAPI
import IdentityDomain
import IdentityStorage
import Kernel
import Mongo
import Passwords
import ServiceRuntime
import Stubs

/// What the process `identity` is made of.
struct IdentityDefinition: ServiceDefinition {
  static let name = ServiceName.identity.rawValue

  let migrations = IdentityMigrations.all

  func seed(_ profile: SeedProfile, _ host: ServiceHost<IdentitySettings>) async throws {
    let passwords = try Argon2Passwords(host.settings.passwordHash)
    defer { passwords.close() }
    let seeding = Seeding(
      store: MongoIdentityStore(host.mongo), passwords: passwords, now: host.clock.now(), logger: host.logger)
    switch profile {
    case .none: break
    case .base, .demo: try await seeding.applyBase()
    case .admin: try await seeding.applyAdministrator(host.settings.administrator)
    }
  }

  func assemble(_ host: ServiceHost<IdentitySettings>) async throws -> ServiceAssembly {
    let settings = host.settings
    let keys = try Self.signingKeys(settings.tokens, stateDirectory: host.common.stateDirectory)
    let store = MongoIdentityStore(host.mongo)
    let service = IdentityService(
      store: store, passwords: try Argon2Passwords(settings.passwordHash),
      tokens: TokenIssuer(ring: keys, ttl: settings.tokens.accessTTL), policy: settings.login,
      refreshTTL: settings.tokens.refreshTTL, clock: host.clock, logger: host.logger,
      outboxGrew: { [outbox = host.outbox] in outbox.wake() })
    let internalService = IdentityInternalService(store: store, signingKeys: keys)
    return ServiceAssembly(
      services: [IdentityServiceBinding(service), IdentityInternalServiceBinding(internalService)],
      principals: StoredPrincipals(store: store), signingKeys: keys)
  }

  private static func signingKeys(_ settings: TokenSettings, stateDirectory: String) throws -> SigningKeyRing {
    if let file = settings.signingKeyFile { return try SigningKeyRing.load(path: file) }
    return try SigningKeyRing.loadOrGenerate(directory: stateDirectory)
  }
}

extension Seeding {
  fileprivate func applyAdministrator(_ settings: AdminSeedSettings) async throws {
    guard let password = settings.password else {
      throw Failure.validation(Keys.adminSeedPassword.name, "must be given for the profile admin")
    }
    try await applyAdministrator(
      username: settings.username, password: password, mobile: settings.mobile, name: settings.name)
  }
}
