import Crypto
import FoundationEssentials
import Kernel
import Messages

/// A key that verifies access tokens: Ed25519, named by its thumbprint.
public struct PublicSigningKey: Hashable, Sendable {
  /// The `kid` header of the tokens that it verifies.
  public let id: String
  /// The public point, 32 bytes.
  public let point: [UInt8]

  init(id: String, point: [UInt8]) {
    self.id = id
    self.point = point
  }

  public init(point: [UInt8]) {
    id = Self.thumbprint(of: point)
    self.point = point
  }

  /// Nil for a key of another kind, which is not ours to use.
  public init?(_ key: IdentityV1.JsonWebKey) {
    guard key.kty == "OKP", key.crv == "Ed25519", !key.kid.isEmpty, let point = Base64.decode(key.x),
      point.count == 32
    else { return nil }
    self.init(id: key.kid, point: point)
  }

  /// As published (RFC 8037).
  public var jsonWebKey: IdentityV1.JsonWebKey {
    IdentityV1.JsonWebKey(
      kty: "OKP", crv: "Ed25519", kid: id, x: Base64URL.text(point), use: "sig", alg: "EdDSA")
  }

  /// RFC 7638: the hash of the required members in alphabetical order.
  private static func thumbprint(of point: [UInt8]) -> String {
    let canonical = #"{"crv":"Ed25519","kty":"OKP","x":"\#(Base64URL.text(point))"}"#
    return Base64URL.text(Array(SHA256.hash(data: Data(canonical.utf8))))
  }
}

/// Where verifiers get the public keys.
public protocol SigningKeySource: Sendable {
  /// Previous, current and next key.
  func signingKeys() async throws -> [PublicSigningKey]
}

/// Base64 in the alphabet of RFC 4648 section 5, without padding.
enum Base64URL {
  static func text(_ bytes: [UInt8]) -> String {
    String(
      Base64.encode(bytes).compactMap { character -> Character? in
        switch character {
        case "+": "-"
        case "/": "_"
        case "=": nil
        default: character
        }
      })
  }
}
