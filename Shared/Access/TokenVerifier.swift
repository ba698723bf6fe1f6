import FoundationEssentials
import JWTKit
import Kernel
import Logging
import Messages
import Synchronization

/// Verifies access tokens offline with identity's public keys.
///
/// The keys are fetched when they are first needed, then every `refresh` by the monotonic clock, and at once when a
/// token names an unknown key, but not more often than `fetchPause`. While identity is away the known keys go on.
public final class TokenVerifier: Sendable {
  private struct State {
    var keys: [String: JWTKeyCollection] = [:]
    /// Nil until a fetch has succeeded.
    var fetchedAt: ContinuousClock.Instant?
    var triedAt: ContinuousClock.Instant?
    var fetch: Task<Bool, Never>?
  }

  /// Unknown key ids cost an attacker nothing, so they must cost identity at most this often.
  static let fetchPause = Duration.seconds(1)
  /// Ours are below 500 bytes.
  public static let tokenBytesMax = 4_096

  private let source: any SigningKeySource
  private let clock: any WallClock
  private let refresh: Duration
  private let logger: Logger
  private let monotonic: @Sendable () -> ContinuousClock.Instant
  private let state = Mutex(State())

  /// - Parameter monotonic: the clock of the fetches; tests move it.
  public init(
    source: any SigningKeySource, clock: any WallClock, refresh: Duration, logger: Logger,
    monotonic: @escaping @Sendable () -> ContinuousClock.Instant = { ContinuousClock.now }
  ) {
    self.source = source
    self.clock = clock
    self.refresh = refresh
    self.logger = logger
    self.monotonic = monotonic
  }

  /// The claims of a valid token.
  ///
  /// Fails with `INVALID_TOKEN`, with `TOKEN_EXPIRED`, or with `SERVICE_UNAVAILABLE` when the keys were never fetched
  /// and cannot be now.
  public func verify(_ token: String) async throws(Failure) -> AccessClaims {
    guard token.utf8.count <= Self.tokenBytesMax, let keyID = Self.keyID(of: token) else { throw Self.invalid }
    let key = try await key(named: keyID)
    let claims: AccessClaims
    do { claims = try await key.verify(token, as: AccessClaims.self) } catch { throw Self.invalid }
    guard claims.typ == AccessClaims.kind, claims.iss == AccessClaims.issuer, claims.aud == AccessClaims.audience,
      claims.exp >= claims.iat
    else { throw Self.invalid }
    let expiry = Timestamp(milliseconds: 0).advanced(by: .seconds(claims.exp)).advanced(by: AccessClaims.skew)
    guard clock.now() < expiry else {
      throw Failure(.tokenExpired, "the access token has expired: refresh it or sign in again")
    }
    return claims
  }

  /// Fails with `INVALID_TOKEN` when `token` cannot be one of ours whatever the keys are. Looks at the form only.
  static func checkForm(_ token: String) throws(Failure) {
    guard token.utf8.count <= tokenBytesMax, keyID(of: token) != nil else { throw invalid }
  }

  private static let invalid = Failure(.invalidToken, "the access token is not valid")

  /// Nil when the header is not one of ours. Any algorithm but EdDSA is refused here, before a key is looked up.
  private static func keyID(of token: String) -> String? {
    let parts = token.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 3, let bytes = Base64.decode(String(parts[0])),
      let header = try? JSONDecoder().decode(TokenHeader.self, from: Data(bytes)),
      header.alg == "EdDSA", header.typ == nil || header.typ == "JWT", header.crit == nil
    else { return nil }
    return header.kid
  }

  private func key(named id: String) async throws(Failure) -> JWTKeyCollection {
    let (known, isFresh, hasFetched) = state.withLock { state in
      let isFresh = state.fetchedAt.map { $0.duration(to: monotonic()) < refresh } ?? false
      return (state.keys[id], isFresh, state.fetchedAt != nil)
    }
    if let known {
      // Stale keys still verify: a slow or absent identity must not stop the calls of everybody.
      if !isFresh { _ = beginFetch() }
      return known
    }
    let isReachable = await beginFetch()?.value ?? hasFetched
    if let found = state.withLock({ $0.keys[id] }) { return found }
    guard isReachable || hasFetched else {
      throw Failure(.serviceUnavailable, "access tokens cannot be verified at the moment")
    }
    throw Self.invalid
  }

  /// The fetch under way, or a new one; nil when the last one was a moment ago.
  private func beginFetch() -> Task<Bool, Never>? {
    let now = monotonic()
    return state.withLock { state in
      if let fetch = state.fetch { return fetch }
      if let tried = state.triedAt, tried.duration(to: now) < Self.fetchPause { return nil }
      state.triedAt = now
      // Detached: it serves every caller, so it must not end with the deadline of the one who started it.
      let fetch = Task.detached { await self.fetch() }
      state.fetch = fetch
      return fetch
    }
  }

  private func fetch() async -> Bool {
    var keys: [String: JWTKeyCollection]?
    do {
      var found: [String: JWTKeyCollection] = [:]
      for key in try await source.signingKeys() {
        let point = try EdDSA.PublicKey(x: Base64URL.text(key.point), curve: .ed25519)
        found[key.id] = await JWTKeyCollection().add(eddsa: point)
      }
      keys = found
    } catch {
      logger.warning("cannot fetch the keys of access tokens", metadata: ["reason": "\(error)"])
    }
    return state.withLock { [keys] state in
      state.fetch = nil
      guard let keys else { return false }
      state.keys = keys
      state.fetchedAt = monotonic()
      return true
    }
  }
}
