import Kernel

/// What somebody signs in with.
public enum LoginIdentifier: Hashable, Sendable {
  /// Shoppers, mediators, agencies and brands.
  case mobile(Mobile)
  /// Staff.
  case username(Username)

  /// Exactly one of the two must be given. Fails with `VALIDATION_FAILED`.
  public init(mobile: String?, username: String?) throws(Failure) {
    switch (mobile, username) {
    case (let mobile?, nil): self = .mobile(try Mobile(mobile, path: "mobile"))
    case (nil, let username?): self = .username(try Username(username, path: "username"))
    case (nil, nil): throw .validation("mobile", "is required unless username is given")
    case (.some, .some): throw .validation("username", "must not be given together with mobile")
    }
  }
}

/// When wrong passwords lock an account, and for how long (DOMAIN 1.5).
public struct LoginPolicy: Hashable, Sendable {
  /// The consecutive wrong password that locks.
  public let failuresMax: Int
  public let lockout: Duration

  public init(failuresMax: Int = 7, lockout: Duration = .seconds(900)) {
    self.failuresMax = failuresMax
    self.lockout = lockout
  }
}

/// Consecutive wrong passwords of one account, judged by the wall clock.
public struct LoginCounters: Hashable, Sendable {
  public var failedAttempts: Int
  public var lockedUntil: Timestamp?

  public init(failedAttempts: Int = 0, lockedUntil: Timestamp? = nil) {
    self.failedAttempts = failedAttempts
    self.lockedUntil = lockedUntil
  }

  /// Whole seconds, rounded up; nil when no lock holds. The lock ends at `lockedUntil` exactly.
  public func secondsLocked(at now: Timestamp) -> Int64? {
    guard let lockedUntil, now < lockedUntil else { return nil }
    return (lockedUntil.milliseconds - now.milliseconds + 999) / 1_000
  }

  /// A lock that has run out leaves no failures behind: otherwise the first later typo would lock again.
  public func countingFailure(_ policy: LoginPolicy, at now: Timestamp) -> LoginCounters {
    let failures = (lockedUntil == nil ? failedAttempts : 0) + 1
    return LoginCounters(
      failedAttempts: failures, lockedUntil: failures >= policy.failuresMax ? now.advanced(by: policy.lockout) : nil)
  }
}

/// Why a login was refused. The order of the cases is the order of the checks.
public enum LoginRefusal: Hashable, Sendable {
  case userNotFound
  case accountLocked(secondsLeft: Int64)
  case invalidPassword
  case usernameRequired
  case userNotActive
  case upstreamSuspended

  /// Before the password is looked at: nobody learns by the right password that the lock is on.
  public static func beforePassword(_ user: User?, at now: Timestamp) -> LoginRefusal? {
    guard let user else { return .userNotFound }
    return user.loginCounters.secondsLocked(at: now).map { .accountLocked(secondsLeft: $0) }
  }

  /// After it: staff hints, status and lineage appear only to someone who knows the password.
  public static func afterPassword(
    isRight: Bool, _ lineage: Lineage, signingInBy identifier: LoginIdentifier
  ) -> LoginRefusal? {
    guard isRight else { return .invalidPassword }
    if case .mobile = identifier, lineage.subject.roles.arePrivileged { return .usernameRequired }
    guard lineage.subject.status == .active else { return .userNotActive }
    return lineage.upstreamActive ? nil : .upstreamSuspended
  }

  /// What the caller is told.
  public var failure: Failure {
    switch self {
    case .userNotFound, .invalidPassword:
      Failure(.invalidCredentials, "the credentials are not valid")
    case .accountLocked(let secondsLeft):
      Failure(
        .accountLocked, "too many wrong passwords: try again in \(secondsLeft) seconds",
        retryAfter: .seconds(secondsLeft), metadata: ["secondsLeft": String(secondsLeft)])
    case .usernameRequired:
      Failure(.usernameRequired, "staff sign in with a username")
    case .userNotActive:
      Failure(.userNotActive, "the account is not active")
    case .upstreamSuspended:
      Failure(.upstreamSuspended, "the account's mediator or agency is not active")
    }
  }

  /// The `reason` of AUTH_LOGIN_FAILED (DOMAIN 10).
  public var auditReason: String {
    switch self {
    case .userNotFound: "user_not_found"
    case .accountLocked: "account_locked"
    case .invalidPassword: "invalid_password"
    case .usernameRequired: "username_required"
    case .userNotActive: "user_not_active"
    case .upstreamSuspended: "upstream_suspended"
    }
  }
}

public enum LoginAttemptTag {}

/// One attempt to sign in, as storage and audit need to know it.
public struct LoginAttempt: Hashable, Sendable {
  /// Unique per attempt; the audit entry's event id derives from it.
  public let id: ID<LoginAttemptTag>
  public let at: Timestamp
  public let client: ClientDescription
  /// `x-request-id` of the call.
  public let requestID: String?

  public init(id: ID<LoginAttemptTag>, at: Timestamp, client: ClientDescription, requestID: String?) {
    self.id = id
    self.at = at
    self.client = client
    self.requestID = requestID
  }
}

/// A login that passed every check and is about to become a session.
public struct AcceptedLogin: Hashable, Sendable {
  public let attempt: LoginAttempt
  public let session: Session
  /// The primary role, for the audit entry.
  public let role: Role
  public let roles: [Role]
  /// Replaces the stored hash when its parameters were outgrown.
  public let renewedPasswordHash: String?

  public init(attempt: LoginAttempt, session: Session, role: Role, roles: [Role], renewedPasswordHash: String?) {
    self.attempt = attempt
    self.session = session
    self.role = role
    self.roles = roles
    self.renewedPasswordHash = renewedPasswordHash
  }
}
