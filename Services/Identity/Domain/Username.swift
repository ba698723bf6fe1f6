import Kernel

/// The name a member of staff signs in with: lower-case, 2 to 64 of `[a-z0-9._-]` (DOMAIN 1.4).
public struct Username: Hashable, Sendable {
  public let rawValue: String

  /// Trims and lower-cases; nil unless the rest is 2 to 64 permitted characters.
  public init?(_ text: String) {
    let name = text.trimmed.lowercased()
    guard (2...64).contains(name.utf8.count), name.utf8.allSatisfy(Self.isPermitted) else { return nil }
    rawValue = name
  }

  /// Fails with `VALIDATION_FAILED` naming `path`.
  public init(_ text: String, path: String) throws(Failure) {
    guard let username = Username(text) else {
      throw .validation(path, "must be 2 to 64 letters, digits, dots, underscores or hyphens")
    }
    self = username
  }

  private static func isPermitted(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
    case UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"): true
    default: false
    }
  }
}
