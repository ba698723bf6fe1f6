import Kernel

/// An Indian mobile number in its one stored form: ten digits (DOMAIN 1.4).
public struct Mobile: Hashable, Sendable {
  public static let digitCount = 10

  public let rawValue: String

  /// Keeps the ASCII digits, drops one trunk `0` or one country code `91` by length; nil unless ten digits remain.
  ///
  /// Whether the first of the ten may be a `0` is the operator's business, not ours.
  public init?(_ text: String) {
    var digits = text.utf8.filter { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    if digits.count == Self.digitCount + 1, digits[0] == UInt8(ascii: "0") {
      digits.removeFirst()
    } else if digits.count == Self.digitCount + 2, digits[0] == UInt8(ascii: "9"), digits[1] == UInt8(ascii: "1") {
      digits.removeFirst(2)
    }
    guard digits.count == Self.digitCount else { return nil }
    rawValue = String(decoding: digits, as: UTF8.self)
  }

  /// Fails with `VALIDATION_FAILED` naming `path`.
  public init(_ text: String, path: String) throws(Failure) {
    guard let mobile = Mobile(text) else { throw .validation(path, "must be a mobile number of ten digits") }
    self = mobile
  }
}
