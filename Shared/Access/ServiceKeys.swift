import FoundationEssentials
import Kernel

/// Why SERVICE_KEYS_FILE cannot be used. Never holds a key.
public struct ServiceKeysFailure: Error, Hashable, Sendable, CustomStringConvertible {
  public let description: String
}

/// The credentials by which services know each other where there is no TLS (PLATFORM 11.4).
public struct ServiceKeys: Sendable {
  /// 32 bytes as hex.
  static let keyLength = 64

  private let keys: [String: [UInt8]]

  /// Nobody is known: internal RPCs are refused to everybody.
  public static let none = ServiceKeys(keys: [:])

  private init(keys: [String: [UInt8]]) {
    self.keys = keys
  }

  /// Reads `{"order":"<64 hex>", …}`.
  public init(path: String) throws(ServiceKeysFailure) {
    let bytes: [UInt8]
    do { bytes = try PrivateFile.read(path) } catch {
      throw ServiceKeysFailure(description: "cannot read \(path): \(error)")
    }
    try self.init(json: bytes, path: path)
  }

  init(json: [UInt8], path: String) throws(ServiceKeysFailure) {
    guard let texts = try? JSONDecoder().decode([String: String].self, from: Data(json)) else {
      throw ServiceKeysFailure(description: "\(path) must hold one JSON object of service names and keys")
    }
    var keys: [String: [UInt8]] = [:]
    for (name, text) in texts {
      let digits = Array(text.lowercased().utf8)
      let isHex = digits.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
      guard digits.count == Self.keyLength, isHex else {
        throw ServiceKeysFailure(description: "\(path): the key of \(name) must be 64 hex digits")
      }
      keys[name] = digits
    }
    // One key for two names would let either speak as the other.
    guard Set(keys.values).count == keys.count else {
      throw ServiceKeysFailure(description: "\(path): two services have the same key")
    }
    self.keys = keys
  }

  /// The credential that `service` itself sends; nil when the file has none.
  public func key(of service: String) -> String? {
    keys[service].map { String(decoding: $0, as: UTF8.self) }
  }

  /// True when `key` is the key of `service`. Takes the same time for every wrong key and for unknown names.
  public func accepts(_ key: String, of service: String) -> Bool {
    let expected = keys[service] ?? [UInt8](repeating: 0, count: Self.keyLength)
    let given = Array(key.lowercased().utf8.prefix(Self.keyLength + 1))
    var difference = UInt8(given.count == Self.keyLength ? 0 : 1)
    for index in 0..<Self.keyLength {
      difference |= expected[index] ^ (index < given.count ? given[index] : 0xFF)
    }
    return difference == 0 && keys[service] != nil
  }
}
