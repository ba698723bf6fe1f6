import Config
import IdentityDomain
import Passwords

/// The configuration keys that only identity reads.
struct IdentitySettings: ServiceSettings {
  let tokens: TokenSettings
  let passwordHash: PasswordHashParameters
  let login: LoginPolicy
  let administrator: AdminSeedSettings

  init(_ keys: inout ConfigurationReader) {
    tokens = TokenSettings(&keys)
    passwordHash = PasswordHashParameters(
      memoryKiB: UInt32(keys[Keys.passwordHashMemoryKiB]), passes: UInt32(keys[Keys.passwordHashPasses]))
    login = LoginPolicy(failuresMax: keys[Keys.loginFailuresMax], lockout: keys[Keys.loginLockout])
    administrator = AdminSeedSettings(&keys)
    guard keys[Keys.seedProfile] == .admin else { return }
    let violations = AdministratorRules.violations(
      username: (administrator.username, Keys.adminSeedUsername.name),
      password: administrator.password.map { ($0, Keys.adminSeedPassword.name) },
      mobile: (administrator.mobile, Keys.adminSeedMobile.name), name: (administrator.name, Keys.adminSeedName.name))
    for violation in violations { keys.reject(violation.path, violation.message) }
  }
}
