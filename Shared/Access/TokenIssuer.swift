import JWTKit
import Kernel

/// A signed access token.
public struct IssuedToken: Hashable, Sendable {
  /// Secret: never printed or stored.
  public let text: String
  public let expiresAt: Timestamp
}

/// Signs access tokens with identity's current key. Identity alone makes one.
public struct TokenIssuer: Sendable {
  private let ring: SigningKeyRing
  private let ttl: Duration

  public init(ring: SigningKeyRing, ttl: Duration) {
    self.ring = ring
    self.ttl = ttl
  }

  /// - Parameter now: the instant of the call, read once; the token's times are whole seconds.
  public func issue(
    subject: UserID, sessionID: String, roles: [Role], now: Timestamp
  ) async throws -> IssuedToken {
    let issuedAt = now.milliseconds / 1_000
    let expiry = issuedAt + ttl.components.seconds
    let claims = AccessClaims(
      iss: AccessClaims.issuer, aud: AccessClaims.audience, sub: subject.rawValue, sid: sessionID,
      roles: roles.map(\.rawValue), typ: AccessClaims.kind, iat: issuedAt, exp: expiry, jti: Self.randomID())
    let signer = await JWTKeyCollection().add(eddsa: ring.current)
    let text = try await signer.sign(claims, header: ["kid": .string(ring.currentID)])
    return IssuedToken(text: text, expiresAt: Timestamp(milliseconds: expiry * 1_000))
  }

  /// 128 random bits as 32 hex digits.
  private static func randomID() -> String {
    var generator = SystemRandomNumberGenerator()
    return (0..<2).map { _ in
      let hex = String(generator.next() as UInt64, radix: 16)
      return String(repeating: "0", count: 16 - hex.utf8.count) + hex
    }.joined()
  }
}
