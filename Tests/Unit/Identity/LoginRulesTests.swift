import IdentityDomain
import Kernel
import Testing

@Suite("Rules of signing in")
struct LoginRulesTests {
  private let now = Timestamp(milliseconds: 1_700_000_000_000)
  private let policy = LoginPolicy(failuresMax: 7, lockout: .seconds(900))

  @Test("exactly one of mobile and username is given")
  func identifiers() throws {
    #expect(try LoginIdentifier(mobile: "+919000000001", username: nil) == .mobile(#require(Mobile("9000000001"))))
    #expect(try LoginIdentifier(mobile: nil, username: "Root") == .username(#require(Username("root"))))
    #expect(throws: Failure.self) { try LoginIdentifier(mobile: nil, username: nil) }
    #expect(throws: Failure.self) { try LoginIdentifier(mobile: "9000000001", username: "root") }
    #expect(throws: Failure.self) { try LoginIdentifier(mobile: "1", username: nil) }
  }

  @Test("the seventh wrong password locks, the sixth does not")
  func lockBoundary() {
    let sixth = LoginCounters(failedAttempts: 5).countingFailure(policy, at: now)
    #expect(sixth == LoginCounters(failedAttempts: 6))
    #expect(sixth.secondsLocked(at: now) == nil)
    let seventh = sixth.countingFailure(policy, at: now)
    #expect(seventh == LoginCounters(failedAttempts: 7, lockedUntil: now.advanced(by: .seconds(900))))
    #expect(seventh.secondsLocked(at: now) == 900)
  }

  @Test("a lock ends at its instant, and its seconds are rounded up")
  func lockEnd() {
    let counters = LoginCounters(failedAttempts: 7, lockedUntil: now.advanced(by: .seconds(900)))
    #expect(counters.secondsLocked(at: now.advanced(by: .milliseconds(899_001))) == 1)
    #expect(counters.secondsLocked(at: now.advanced(by: .milliseconds(899_999))) == 1)
    #expect(counters.secondsLocked(at: now.advanced(by: .seconds(900))) == nil)
    // A clock that was set back makes the lock longer, never shorter.
    #expect(counters.secondsLocked(at: now.advanced(by: .seconds(-60))) == 960)
  }

  @Test("after a lock has run out the counter starts again at zero")
  func restart() {
    let served = LoginCounters(failedAttempts: 7, lockedUntil: now)
    #expect(served.countingFailure(policy, at: now) == LoginCounters(failedAttempts: 1))
  }

  @Test("a lock hides whether the password is right; nothing is known before it")
  func beforePassword() {
    let locked = User.sample(.shopper, counters: LoginCounters(failedAttempts: 7, lockedUntil: now + 1_000))
    #expect(LoginRefusal.beforePassword(nil, at: now) == .userNotFound)
    #expect(LoginRefusal.beforePassword(locked, at: now) == .accountLocked(secondsLeft: 1))
    #expect(LoginRefusal.beforePassword(.sample(.shopper, status: .suspended), at: now) == nil)
  }

  @Test("an unknown user and a wrong password are told apart by nobody")
  func sameAnswer() {
    #expect(LoginRefusal.userNotFound.failure == LoginRefusal.invalidPassword.failure)
    #expect(LoginRefusal.userNotFound.failure.code == .invalidCredentials)
  }

  @Test("a lock tells its seconds for programs and for clients that wait")
  func lockDetails() {
    let failure = LoginRefusal.accountLocked(secondsLeft: 900).failure
    #expect(failure.code == .accountLocked)
    #expect(failure.metadata == ["secondsLeft": "900"])
    #expect(failure.retryAfter == .seconds(900))
  }

  /// Every later check is arranged to fail as well, so that only the order can decide.
  @Test(
    "after the password: staff hint before status before upstream",
    arguments: [
      (false, Role.ops, UserStatus.suspended, LoginRefusal.invalidPassword),
      (true, .ops, .suspended, .usernameRequired), (true, .admin, .active, .usernameRequired),
      (true, .shopper, .suspended, .userNotActive), (true, .shopper, .pending, .userNotActive),
      (true, .shopper, .active, .upstreamSuspended),
    ])
  func order(isRight: Bool, role: Role, status: UserStatus, expected: LoginRefusal) throws {
    let lineage = Lineage(subject: .sample(role, status: status, parent: "MED_GONE"))
    let identifier = LoginIdentifier.mobile(try #require(Mobile("9000000001")))
    #expect(LoginRefusal.afterPassword(isRight: isRight, lineage, signingInBy: identifier) == expected)
  }

  @Test("staff pass by username, others by mobile")
  func passes() throws {
    let mobile = LoginIdentifier.mobile(try #require(Mobile("9000000001")))
    let username = LoginIdentifier.username(try #require(Username("root")))
    #expect(LoginRefusal.afterPassword(isRight: true, Lineage(subject: .sample(.brand)), signingInBy: mobile) == nil)
    #expect(LoginRefusal.afterPassword(isRight: true, Lineage(subject: .sample(.admin)), signingInBy: username) == nil)
  }
}

extension Timestamp {
  static func + (time: Timestamp, milliseconds: Int64) -> Timestamp {
    Timestamp(milliseconds: time.milliseconds + milliseconds)
  }
}
