public import Kernel

/// The marketplace's number of an order in its one stored form (DOMAIN 9.2), so that spellings cannot claim twice.
public struct ExternalOrderID: Hashable, Sendable {
  public let rawValue: String

  /// Removes white space, upper-cases and checks.
  ///
  /// Fails with `ORDER_ID_REQUIRED` when nothing is left, and with `VALIDATION_FAILED` unless
  /// `^[A-Z0-9][A-Z0-9_./#:-]{2,127}$`.
  public init(parsing text: String) throws(Failure) {
    var compact = ""
    for scalar in text.unicodeScalars where !scalar.properties.isWhitespace { compact.unicodeScalars.append(scalar) }
    guard !compact.isEmpty else {
      throw Failure(.orderIdRequired, "the marketplace's order id is required")
    }
    let normalised = compact.uppercased()
    let bytes = Array(normalised.utf8)
    guard (3...128).contains(bytes.count), Self.isAlphanumeric(bytes[0]), bytes.allSatisfy(Self.isAllowed) else {
      throw .validation("externalOrderId", "must be 3 to 128 letters, digits or _ . / # : -, letter or digit first")
    }
    rawValue = normalised
  }

  /// What storage holds; it was checked when it was written.
  public init(stored text: String) { rawValue = text }

  private static func isAlphanumeric(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
  }

  private static func isAllowed(_ byte: UInt8) -> Bool {
    isAlphanumeric(byte) || "_./#:-".utf8.contains(byte)
  }
}
