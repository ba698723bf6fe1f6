import JWTKit
import Kernel

/// What an access token says (DOMAIN 1.5). Only the subject is believed; the roles inform.
public struct AccessClaims: JWTPayload, Hashable {
  public static let issuer = "mobo-identity"
  public static let audience = "mobo"
  public static let kind = "access"
  /// How far the clocks of two processes may be apart.
  public static let skew = Duration.seconds(30)

  public let iss: String
  public let aud: String
  /// The user's id.
  public let sub: String
  /// The session's id.
  public let sid: String
  public let roles: [String]
  public let typ: String
  /// Seconds since 1970, like `exp`.
  public let iat: Int64
  public let exp: Int64
  public let jti: String

  /// The verifier checks the claims itself, at the instant of its own clock and with its own error codes.
  public func verify(using algorithm: some JWTAlgorithm) {}
}

/// The header of a token, read before its signature to find the key.
struct TokenHeader: Decodable {
  let alg: String
  let kid: String?
  let typ: String?
  /// Extensions that a verifier must understand (RFC 7515, 4.1.11); we understand none.
  let crit: [String]?
}
