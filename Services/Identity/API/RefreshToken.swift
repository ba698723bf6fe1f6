import Crypto
import Messages

/// 32 random bytes that are exchanged for new tokens. Only the hash is ever stored.
struct RefreshToken: Sendable {
  /// base64url without padding (RFC 4648, 5): 43 characters.
  let text: String
  /// Lower-case hex SHA-256 of `text`.
  let hash: String

  static let byteCount = 32

  static func make() -> RefreshToken {
    let bytes = SymmetricKey(size: SymmetricKeySize(bitCount: byteCount * 8)).withUnsafeBytes { Array($0) }
    let text = base64URL(bytes)
    return RefreshToken(text: text, hash: hash(of: text))
  }

  static func hash(of text: String) -> String {
    Hex.text(SHA256.hash(data: Array(text.utf8)))
  }

  private static func base64URL(_ bytes: [UInt8]) -> String {
    Base64.encode(bytes).replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
  }
}

/// Lower-case hex.
enum Hex {
  static func text(_ bytes: some Sequence<UInt8>) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 0xF)]] }, as: UTF8.self)
  }
}
