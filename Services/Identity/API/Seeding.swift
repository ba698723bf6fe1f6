import IdentityDomain
import Kernel
import Logging
import Reliability

/// The ids that DOMAIN 13 fixes.
public struct HashedSeedIDs: SeedIdentifying {
  public init() {}

  public func id(forKey key: String) -> String {
    SeedID.text(forKey: key)
  }
}

/// Writes identity's part of the seed data. Applying it again changes nothing and hashes nothing: an account that is
/// there stays as it is, whatever became of it.
public struct Seeding: Sendable {
  private let store: any IdentityStore
  private let passwords: any PasswordHashing
  private let plan: SeedPlan
  private let now: Timestamp
  private let logger: Logger

  public init(store: any IdentityStore, passwords: any PasswordHashing, now: Timestamp, logger: Logger) {
    self.store = store
    self.passwords = passwords
    self.now = now
    self.logger = logger
    plan = SeedPlan(ids: HashedSeedIDs(), now: now)
  }

  /// Profile `base` (and `demo`, whose further data are made through the ordinary operations).
  public func applyBase() async throws {
    var created = 0
    for person in SeedPerson.base where try await create(person, password: SeedPerson.password) { created += 1 }
    for connection in try plan.connections(among: SeedPerson.base) { try await store.ensureConnection(connection) }
    logger.info("seeded", metadata: ["accounts": "\(SeedPerson.base.count)", "created": "\(created)"])
  }

  /// Profile `admin`: creates the administrator, or repairs the account that has the username: roles, status, lock
  /// and, where it differs, the password.
  public func applyAdministrator(username: String, password: String, mobile: String, name: String) async throws {
    let person = SeedPerson.administrator(username: username, mobile: mobile, name: name)
    let staff = try await store.lineage(signingInBy: .username(try Username(username, path: "ADMIN_SEED_USERNAME")))
    guard let held = staff?.subject else {
      try PasswordRules.checkNew(password, path: "ADMIN_SEED_PASSWORD")
      guard try await create(person, password: password) else {
        throw Failure(.duplicateEntry, "the administrator's mobile or id belongs to another account")
      }
      return logger.info("administrator created", metadata: ["username": "\(username)"])
    }
    let isRight = try await passwords.verify(password, against: held.passwordHash) != .wrong
    if !isRight { try PasswordRules.checkNew(password, path: "ADMIN_SEED_PASSWORD") }
    let roles = held.roles + person.roles.filter { !held.roles.contains($0) }
    let isWhole =
      isRight && roles == held.roles && held.status == .active && held.loginCounters == LoginCounters()
    guard !isWhole else { return }
    let hash = isRight ? nil : try await passwords.hash(password)
    try await store.repairStaff(held.id, roles: roles, passwordHash: hash, at: now)
    logger.info("administrator repaired", metadata: ["username": "\(username)"])
  }

  /// False when somebody has the account's place already.
  private func create(_ person: SeedPerson, password: String) async throws -> Bool {
    // The hash is the dear part: look first, with a text that is no hash.
    let draft = try plan.account(person, passwordHash: "")
    guard try await !store.isTaken(draft) else { return false }
    let account = try plan.account(person, passwordHash: try await passwords.hash(password))
    do {
      try await store.register(account)
      return true
    } catch let failure as Failure where failure.kind == .alreadyExists {
      return false  // Another replica seeds at the same time.
    }
  }
}
