import Crypto

/// The ids of seed data, fixed by key so that every service knows them without asking another (DOMAIN 13).
public enum SeedID {
  /// The first 24 hex digits of SHA-256 of `mobo/seed/<key>`.
  public static func text(forKey key: String) -> String {
    SHA256.hash(data: Array("mobo/seed/\(key)".utf8)).prefix(12)
      .map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
  }
}
