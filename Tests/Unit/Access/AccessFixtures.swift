import Foundation
import Kernel
import Logging
import RPC
import Synchronization

@testable import Access

/// Clocks that a test moves.
final class MovedClocks: WallClock {
  private let state = Mutex((wall: Timestamp(milliseconds: 1_750_000_000_000), monotonic: ContinuousClock.now))

  func now() -> Timestamp { state.withLock { $0.wall } }

  var monotonic: @Sendable () -> ContinuousClock.Instant {
    { self.state.withLock { $0.monotonic } }
  }

  func moveWall(by duration: Duration) { state.withLock { $0.wall = $0.wall.advanced(by: duration) } }

  func moveMonotonic(by duration: Duration) {
    state.withLock { $0.monotonic = $0.monotonic.advanced(by: duration) }
  }
}

/// Keys that a test replaces; counts how often it was asked, and is away when told.
final class KeySource: SigningKeySource {
  struct Away: Error {}

  private let state: Mutex<(keys: [PublicSigningKey], isAway: Bool, asked: Int)>

  init(_ rings: [SigningKeyRing]) {
    state = Mutex((rings.flatMap(\.publicKeys), false, 0))
  }

  func replace(by rings: [SigningKeyRing]) { state.withLock { $0.keys = rings.flatMap(\.publicKeys) } }
  func setAway(_ isAway: Bool) { state.withLock { $0.isAway = isAway } }
  var asked: Int { state.withLock { $0.asked } }

  func signingKeys() async throws -> [PublicSigningKey] {
    try state.withLock { state in
      state.asked += 1
      if state.isAway { throw Away() }
      return state.keys
    }
  }
}

/// People by id; remembers how it was asked.
final class People: PrincipalSource {
  private let state: Mutex<(people: [UserID: Principal], asked: [Bool])>

  init(_ people: [Principal]) {
    state = Mutex((Dictionary(uniqueKeysWithValues: people.map { ($0.userID, $0) }), []))
  }

  func replace(by principal: Principal) { state.withLock { $0.people[principal.userID] = principal } }
  /// One entry per question: whether it had to be fresh.
  var asked: [Bool] { state.withLock { $0.asked } }

  func principal(_ id: UserID, fresh: Bool) async throws -> Principal? {
    state.withLock { state in
      state.asked.append(fresh)
      return state.people[id]
    }
  }
}

enum Fixture {
  static let userID = UserID(known: "65f0c0ffee65f0c0ffee65f0")
  static let key = String(repeating: "ab", count: 32)

  static func person(
    _ roles: [Role] = [.shopper], status: UserStatus = .active, upstreamActive: Bool = true
  ) -> Principal {
    Principal(
      userID: userID, name: "A", mobile: "9000000004", roles: roles, status: status, upstreamActive: upstreamActive)
  }

  /// A new key pair, as a ring of that key alone.
  static func ring() throws -> SigningKeyRing {
    SigningKeyRing(current: try .init(), others: [])
  }

  static func verifier(_ source: any SigningKeySource, _ clocks: MovedClocks) -> TokenVerifier {
    TokenVerifier(
      source: source, clock: clocks, refresh: .seconds(300), logger: Logger(label: "test"), monotonic: clocks.monotonic)
  }

  /// Good for 900 s.
  static func token(_ ring: SigningKeyRing, _ clocks: MovedClocks) async throws -> String {
    try await TokenIssuer(ring: ring, ttl: .seconds(900))
      .issue(subject: userID, sessionID: "s1", roles: [.shopper], now: clocks.now()).text
  }

  static func method(
    _ service: String = "mobo.test.v1.TestService", roles: [String] = [], callers: [String] = [],
    isPublic: Bool = false, mutating: Bool = false
  ) -> MethodDescriptor {
    MethodDescriptor(
      service: service, name: "Do",
      rules: MethodRules(isPublic: isPublic, roles: roles, callers: callers, mutating: mutating))
  }
}

/// What a client interceptor passed on.
final class Recorder: Sendable {
  private let seen = Mutex(Metadata())

  var metadata: Metadata { seen.withLock { $0 } }

  func record(_ metadata: Metadata) { seen.withLock { $0 = metadata } }

  func call(_ method: MethodDescriptor) -> ClientCallHead { ClientCallHead(method: method) }
}
