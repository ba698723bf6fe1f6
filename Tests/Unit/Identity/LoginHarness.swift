import Access
import Foundation
import IdentityAPI
import IdentityDomain
import IdentityMemory
import Kernel
import Logging
import Messages
import RPC
import Synchronization

/// The Login handler with the accounts of the seed, whose passwords are all `right`.
struct LoginHarness {
  let store = InMemoryIdentityStore()
  let passwords = PlainPasswords()
  let clock = HandMovedClock()
  let service: IdentityService

  init() async throws {
    let plan = SeedPlan(ids: HashedSeedIDs(), now: clock.now())
    for person in SeedPerson.base { try await store.register(plan.account(person, passwordHash: "old:right")) }
    service = IdentityService(
      store: store, passwords: passwords, tokens: TokenIssuer(ring: try TestKeys.ring(), ttl: .seconds(900)),
      policy: LoginPolicy(),
      refreshTTL: .seconds(2_592_000), clock: clock, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
  }

  func id(_ key: String) -> UserID { UserID(known: HashedSeedIDs().id(forKey: key)) }

  func login(
    mobile: String? = nil, username: String? = nil, _ password: String
  ) async throws -> IdentityV1.LoginResponse {
    let context = CallContext(
      method: MethodDescriptor(service: "mobo.identity.v1.IdentityService", name: "Login"),
      metadata: ["mobo-client-ip": "192.0.2.7", "mobo-client-agent": "tests"], peer: "127.0.0.1:1", requestID: "r-1")
    return try await service.login(
      IdentityV1.LoginRequest(mobile: mobile, username: username, password: password), context)
  }

  func refusal(mobile: String? = nil, username: String? = nil, _ password: String) async -> ErrorCode? {
    do {
      _ = try await login(mobile: mobile, username: username, password)
      return nil
    } catch {
      return (error as? Failure)?.code
    }
  }
}

/// Compares `<age>:<password>` and counts.
final class PlainPasswords: PasswordHashing {
  private struct State {
    var comparisons = 0
    var isAged = false
  }

  private let state = Mutex(State())

  var comparisons: Int { state.withLock { $0.comparisons } }

  /// From now on hashes called `old` count as outgrown.
  func age() { state.withLock { $0.isAged = true } }

  func hash(_ password: String) async throws -> String { "new:\(password)" }

  func verify(_ password: String, against encoded: String) async throws -> PasswordVerdict {
    let isAged = state.withLock { state in
      state.comparisons += 1
      return state.isAged
    }
    guard encoded.split(separator: ":").last.map(String.init) == password else { return .wrong }
    return .right(isOutdated: isAged && encoded.hasPrefix("old:"))
  }

  func verifyNobody(_ password: String) async throws { state.withLock { $0.comparisons += 1 } }
}

final class HandMovedClock: WallClock {
  private let time = Mutex(Timestamp(milliseconds: 1_700_000_000_000))

  func now() -> Timestamp { time.withLock { $0 } }

  func advance(by duration: Duration) { time.withLock { $0 = $0.advanced(by: duration) } }
}

/// Counts hashes; compares `h:<password>`.
final class CountingPasswords: PasswordHashing {
  private let count = Mutex(0)

  var hashes: Int { count.withLock { $0 } }

  func hash(_ password: String) async throws -> String {
    count.withLock { $0 += 1 }
    return "h:\(password)"
  }

  func verify(_ password: String, against encoded: String) async throws -> PasswordVerdict {
    encoded == "h:\(password)" ? .right(isOutdated: false) : .wrong
  }

  func verifyNobody(_ password: String) async throws {}
}

enum TestKeys {
  /// Keys of this test run, in a directory that goes with it.
  static func ring() throws -> SigningKeyRing {
    let directory = FileManager.default.temporaryDirectory.appending(path: "mobo-test-\(UUID())")
    defer { try? FileManager.default.removeItem(at: directory) }
    return try SigningKeyRing.loadOrGenerate(directory: directory.path)
  }
}
