import Access
import IdentityDomain
import Kernel
import Logging
import RPC
import Stubs

/// Everything users ask of identity. One RPC, one file; the contracts are in `identity_service.proto`.
public struct IdentityService: IdentityServiceHandlers {
  let store: any IdentityStore
  let passwords: any PasswordHashing
  let tokens: TokenIssuer
  let policy: LoginPolicy
  /// How long a refresh token lives.
  let refreshTTL: Duration
  let clock: any WallClock
  let logger: Logger
  /// Called after a commit that left entries in the outbox.
  let outboxGrew: @Sendable () -> Void
  let accounts = AccountQueue()

  public init(
    store: any IdentityStore, passwords: any PasswordHashing, tokens: TokenIssuer, policy: LoginPolicy,
    refreshTTL: Duration, clock: any WallClock, logger: Logger, outboxGrew: @escaping @Sendable () -> Void = {}
  ) {
    self.store = store
    self.passwords = passwords
    self.tokens = tokens
    self.policy = policy
    self.refreshTTL = refreshTTL
    self.clock = clock
    self.logger = logger
    self.outboxGrew = outboxGrew
  }
}
