import Crypto
import Kernel

/// A version of a service's schema (DOMAIN 12.4). Its way back and its verification follow from its steps.
public struct Migration: Sendable {
  /// `001_users_indexes`: unique, and ordered like the list it stands in.
  public let id: String
  public let description: String
  public let up: [MigrationStep]

  public init(id: String, description: String, up: [MigrationStep]) {
    self.id = id
    self.description = description
    self.up = up
  }

  /// Tells an edited migration from the applied one: SHA-256 over everything that `up` does.
  public var checksum: String {
    var hash = SHA256()
    for step in up { hash.update(data: step.fingerprint.bytes) }
    return "sha256:" + hash.finalize().map { Self.hex($0) }.joined()
  }

  /// Databases that were migrated by earlier builds hold the checksums of those: FNV-1a, 64 bits.
  func matches(checksum stored: String) -> Bool {
    stored == checksum || stored == earlierChecksum
  }

  var earlierChecksum: String {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for step in up {
      for byte in step.fingerprint.bytes { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
    }
    let text = String(hash, radix: 16)
    return String(repeating: "0", count: 16 - text.count) + text
  }

  private static func hex(_ byte: UInt8) -> String {
    (byte < 16 ? "0" : "") + String(byte, radix: 16)
  }
}

public enum MigrationDirection: String, Sendable {
  case up, down
}
