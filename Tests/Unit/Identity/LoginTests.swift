import Access
import IdentityDomain
import IdentityMemory
import Kernel
import Logging
import Messages
import RPC
import Synchronization
import Testing

@testable import IdentityAPI

/// Goal: the order of Login's checks, the lock and what each attempt leaves behind. Method: the real handler over the
/// memory store, a clock that is moved by hand, and passwords that are compared as they are.
@Suite("Login")
struct LoginTests {
  @Test(
    "who may not sign in is told the first reason that holds",
    arguments: [
      ("9999999999", "right", ErrorCode.invalidCredentials, "user_not_found"),
      ("9000000004", "wrong", .invalidCredentials, "invalid_password"),
      ("9000000010", "wrong", .invalidCredentials, "invalid_password"),
      ("9000000010", "right", .usernameRequired, "username_required"),
    ])
  func refusals(mobile: String, password: String, code: ErrorCode, reason: String) async throws {
    let harness = try await LoginHarness()
    let failure = await #expect(throws: Failure.self) { try await harness.login(mobile: mobile, password) }
    #expect(failure?.code == code)
    #expect(harness.store.records.map(\.reason) == [reason])
    #expect(harness.store.sessions.isEmpty)
  }

  @Test("a suspended account is told so only after the right password")
  func status() async throws {
    let harness = try await LoginHarness()
    harness.store.setStatus(.suspended, of: harness.id("shopperA1"))
    #expect(await harness.refusal(mobile: "9000000004", "wrong") == .invalidCredentials)
    #expect(await harness.refusal(mobile: "9000000004", "right") == .userNotActive)
  }

  @Test(
    "a suspended party above blocks, and is told only after the right password", arguments: ["mediatorA", "agencyA"])
  func upstream(key: String) async throws {
    let harness = try await LoginHarness()
    harness.store.setStatus(.suspended, of: harness.id(key))
    #expect(await harness.refusal(mobile: "9000000004", "wrong") == .invalidCredentials)
    #expect(await harness.refusal(mobile: "9000000004", "right") == .upstreamSuspended)
    #expect(harness.store.records.map(\.reason) == ["invalid_password", "upstream_suspended"])
  }

  @Test("usernames match staff only, in any case; mobiles of others do not")
  func usernames() async throws {
    let harness = try await LoginHarness()
    let response = try await harness.login(username: " ROOT ", "right")
    #expect(response.user?.role == .admin)
    #expect(await harness.refusal(username: "mediatora", "right") == .invalidCredentials)
  }

  @Test("an unknown user costs a hash as well")
  func dummyHash() async throws {
    let harness = try await LoginHarness()
    _ = await harness.refusal(mobile: "9999999999", "right")
    #expect(harness.passwords.comparisons == 1)
  }

  @Test("the seventh wrong password locks even the right one out, until the clock has moved far enough")
  func lock() async throws {
    let harness = try await LoginHarness()
    for _ in 1...7 { #expect(await harness.refusal(mobile: "9000000004", "wrong") == .invalidCredentials) }
    let compared = harness.passwords.comparisons
    let locked = await #expect(throws: Failure.self) { try await harness.login(mobile: "9000000004", "right") }
    #expect(locked?.code == .accountLocked)
    #expect(locked?.metadata["secondsLeft"] == "900")
    #expect(harness.passwords.comparisons == compared)

    harness.clock.advance(by: .milliseconds(899_999))
    #expect(await harness.refusal(mobile: "9000000004", "right") == .accountLocked)
    harness.clock.advance(by: .milliseconds(1))
    #expect(await harness.refusal(mobile: "9000000004", "wrong") == .invalidCredentials)
    _ = try await harness.login(mobile: "9000000004", "right")
    #expect(harness.store.records.last?.action == "AUTH_LOGIN_SUCCESS")
  }

  @Test("success between wrong passwords starts the count again")
  func reset() async throws {
    let harness = try await LoginHarness()
    for _ in 1...6 { _ = await harness.refusal(mobile: "9000000004", "wrong") }
    _ = try await harness.login(mobile: "9000000004", "right")
    for _ in 1...6 { _ = await harness.refusal(mobile: "9000000004", "wrong") }
    _ = try await harness.login(mobile: "9000000004", "right")
  }

  @Test("parallel guesses get no more than seven tries")
  func parallelGuesses() async throws {
    let harness = try await LoginHarness()
    let codes = await withTaskGroup(of: ErrorCode?.self) { group in
      for _ in 1...30 { group.addTask { await harness.refusal(mobile: "9000000004", "wrong") } }
      return await group.reduce(into: [ErrorCode?]()) { $0.append($1) }
    }
    #expect(codes.filter { $0 == .invalidCredentials }.count == 7)
    #expect(codes.filter { $0 == .accountLocked }.count == 23)
  }

  @Test("a session knows its refresh token by hash only")
  func session() async throws {
    let harness = try await LoginHarness()
    let response = try await harness.login(mobile: "+91 90000 00004", "right")
    let tokens = try #require(response.tokens)
    let session = try #require(harness.store.sessions.first)
    #expect(tokens.tokenType == "Bearer")
    #expect(tokens.refreshToken.utf8.count == 43)
    #expect(session.tokenHash == RefreshToken.hash(of: tokens.refreshToken))
    #expect(!session.tokenHash.contains(tokens.refreshToken))
    #expect(session.expiresAt == harness.clock.now().advanced(by: .seconds(2_592_000)))
    #expect(session.client == ClientDescription(ip: "192.0.2.7", userAgent: "tests"))
    #expect(response.user?.id == harness.id("shopperA1").rawValue)
  }

  @Test("an outgrown hash is renewed by a login")
  func renewal() async throws {
    let harness = try await LoginHarness()
    harness.passwords.age()
    _ = try await harness.login(mobile: "9000000004", "right")
    #expect(try await harness.store.account(harness.id("shopperA1"))?.user.passwordHash == "new:right")
  }
}
