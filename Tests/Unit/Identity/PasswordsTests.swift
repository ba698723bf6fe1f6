import IdentityDomain
import Kernel
import Testing

@testable import Passwords

/// Cheap parameters: the rules are the same at any cost.
@Suite("Argon2id passwords")
struct PasswordsTests {
  private let cheap = PasswordHashParameters(memoryKiB: 8, passes: 1)

  @Test("a hash describes itself and fits its password only")
  func roundTrip() async throws {
    let passwords = try Argon2Passwords(cheap)
    defer { passwords.close() }
    let encoded = try await passwords.hash("ChangeMe_123!")
    #expect(encoded.hasPrefix("$argon2id$v=19$m=8,t=1,p=1$"))
    #expect(try await passwords.verify("ChangeMe_123!", against: encoded) == .right(isOutdated: false))
    #expect(try await passwords.verify("ChangeMe_123", against: encoded) == .wrong)
    #expect(try await passwords.verify("", against: encoded) == .wrong)
  }

  @Test("the same password never has the same hash")
  func salts() async throws {
    let passwords = try Argon2Passwords(cheap)
    defer { passwords.close() }
    let first = try await passwords.hash("a")
    let second = try await passwords.hash("a")
    #expect(first != second)
  }

  @Test(
    "a hash is outdated when today's parameters cost more, not when they cost less",
    arguments: [(8, 1, false), (16, 1, true), (8, 2, true), (16, 2, true)] as [(UInt32, UInt32, Bool)])
  func outgrown(memoryKiB: UInt32, passes: UInt32, isOutdated: Bool) async throws {
    let stored = try await hashOnce("a", PasswordHashParameters(memoryKiB: 8, passes: 1))
    let passwords = try Argon2Passwords(PasswordHashParameters(memoryKiB: memoryKiB, passes: passes))
    defer { passwords.close() }
    #expect(try await passwords.verify("a", against: stored) == .right(isOutdated: isOutdated))
    let cheaper = try Argon2Passwords(PasswordHashParameters(memoryKiB: 8, passes: 1))
    defer { cheaper.close() }
    let dear = try await passwords.hash("a")
    #expect(try await cheaper.verify("a", against: dear) == .right(isOutdated: false))
  }

  @Test(
    "what is no hash of ours matches nothing",
    arguments: [
      "", "plain", "$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA", "$argon2id$v=19$m=8,t=1$x$y",
      "$argon2id$v=16$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA", "$argon2id$v=19$m=99999999,t=1,p=1$c2FsdHNhbHQ$aGFzaA",
    ])
  func foreign(encoded: String) async throws {
    let passwords = try Argon2Passwords(cheap)
    defer { passwords.close() }
    #expect(try await passwords.verify("a", against: encoded) == .wrong)
  }

  @Test(
    "any text is a password: long, non-ASCII, with a zero byte",
    arguments: ["é\u{0}x", String(repeating: "ß", count: 200)])
  func anyText(password: String) async throws {
    let passwords = try Argon2Passwords(cheap)
    defer { passwords.close() }
    let encoded = try await passwords.hash(password)
    #expect(try await passwords.verify(password, against: encoded) == .right(isOutdated: false))
    #expect(try await passwords.verify(String(password.dropLast()), against: encoded) == .wrong)
  }

  @Test("who comes when the queue is full is refused with a time to come back")
  func fullQueue() async throws {
    let threads = HashingThreads(threadCount: 1, waitingMax: 1)
    defer { threads.close() }
    let gate = Gate()
    let running = Task { try await threads.run { gate.pass() } }
    while !gate.hasArrived { await Task.yield() }
    let waiting = Task { try await threads.run { 1 } }
    while threads.waitingCount == 0 { await Task.yield() }
    let failure = await #expect(throws: Failure.self) { try await threads.run { 2 } }
    #expect(failure?.code == .serviceUnavailable)
    #expect(failure?.retryAfter != nil)
    gate.open()
    try await running.value
    #expect(try await waiting.value == 1)
  }

  @Test("a caller who goes away gives up its place")
  func cancelled() async throws {
    let threads = HashingThreads(threadCount: 1, waitingMax: 1)
    defer { threads.close() }
    let gate = Gate()
    let running = Task { try await threads.run { gate.pass() } }
    while !gate.hasArrived { await Task.yield() }
    let waiting = Task { try await threads.run { 1 } }
    while threads.waitingCount == 0 { await Task.yield() }
    waiting.cancel()
    await #expect(throws: CancellationError.self) { try await waiting.value }
    #expect(threads.waitingCount == 0)
    gate.open()
    try await running.value
  }

  @Test("a turn that comes after the deadline is not taken")
  func late() async throws {
    let threads = HashingThreads(threadCount: 1, waitingMax: 1)
    defer { threads.close() }
    let failure = await #expect(throws: Failure.self) {
      try await Deadline.$current.withValue(.after(.zero)) { try await threads.run { 1 } }
    }
    #expect(failure?.code == .deadlineExceeded)
  }

  @Test("after the end there is no more work")
  func closed() async throws {
    let threads = HashingThreads(threadCount: 1, waitingMax: 1)
    threads.close()
    let failure = await #expect(throws: Failure.self) { try await threads.run { 1 } }
    #expect(failure?.code == .serviceUnavailable)
  }

  private func hashOnce(_ password: String, _ parameters: PasswordHashParameters) async throws -> String {
    let passwords = try Argon2Passwords(parameters)
    defer { passwords.close() }
    return try await passwords.hash(password)
  }
}
