import Kernel

/// What a field's value, or an element of its list, can be read from and written as in canonical proto3 JSON.
public protocol JSONCoded: Sendable {
  /// Fails with `VALIDATION_FAILED` naming `path`.
  init(json: JSONValue, path: JSONPath) throws(Failure)

  func writeJSON(to writer: inout JSONWriter)
}

extension String: JSONCoded {
  public init(json: JSONValue, path: JSONPath) throws(Failure) {
    guard case .string(let text) = json else { throw .validation(path.text, "must be a string") }
    self = text
  }

  public func writeJSON(to writer: inout JSONWriter) { writer.string(self) }
}

extension Bool: JSONCoded {
  public init(json: JSONValue, path: JSONPath) throws(Failure) {
    guard case .bool(let value) = json else { throw .validation(path.text, "must be true or false") }
    self = value
  }

  public func writeJSON(to writer: inout JSONWriter) { writer.bool(self) }
}

extension Int64: JSONCoded {
  public init(json: JSONValue, path: JSONPath) throws(Failure) {
    self = try JSONNumber.integer(json, path)
  }

  public func writeJSON(to writer: inout JSONWriter) { writer.string(String(self)) }
}

extension UInt64: JSONCoded {
  public init(json: JSONValue, path: JSONPath) throws(Failure) {
    self = try JSONNumber.integer(json, path)
  }

  public func writeJSON(to writer: inout JSONWriter) { writer.string(String(self)) }
}

extension Int32: JSONCoded {
  public init(json: JSONValue, path: JSONPath) throws(Failure) {
    self = try JSONNumber.integer(json, path)
  }

  public func writeJSON(to writer: inout JSONWriter) { writer.number(Int64(self)) }
}

extension UInt32: JSONCoded {
  public init(json: JSONValue, path: JSONPath) throws(Failure) {
    self = try JSONNumber.integer(json, path)
  }

  public func writeJSON(to writer: inout JSONWriter) { writer.number(Int64(self)) }
}

extension Double: JSONCoded {
  public init(json: JSONValue, path: JSONPath) throws(Failure) {
    self = try JSONNumber.double(json, path)
  }

  public func writeJSON(to writer: inout JSONWriter) { writer.number(self) }
}

extension Float: JSONCoded {
  public init(json: JSONValue, path: JSONPath) throws(Failure) {
    self = Float(try JSONNumber.double(json, path))
  }

  public func writeJSON(to writer: inout JSONWriter) {
    if isFinite {
      writer.literal(String(self))
    } else {
      writer.number(Double(self))
    }
  }
}

enum JSONNumber {
  /// An integer from a number or from a string of digits. Fractions and overflow are refused, `1.0` and `1e3` are not.
  static func integer<T: FixedWidthInteger>(_ json: JSONValue, _ path: JSONPath) throws(Failure) -> T {
    switch json {
    case .number(let text), .string(let text):
      if let value = T(text), !text.hasPrefix("+") { return value }
      guard let normal = Decimal(text) else { throw .validation(path.text, "must be an integer") }
      guard normal.isWhole else { throw .validation(path.text, "must be an integer without a fraction") }
      guard let value = T(normal.digits) else { throw .validation(path.text, "is out of range") }
      return value
    default: throw .validation(path.text, "must be an integer")
    }
  }

  static func double(_ json: JSONValue, _ path: JSONPath) throws(Failure) -> Double {
    switch json {
    case .string("NaN"): return .nan
    case .string("Infinity"): return .infinity
    case .string("-Infinity"): return -.infinity
    case .number(let text), .string(let text):
      guard Decimal(text) != nil, let value = Double(text) else { throw .validation(path.text, "must be a number") }
      guard value.isFinite else { throw .validation(path.text, "is out of range") }
      return value
    default: throw .validation(path.text, "must be a number")
    }
  }

  /// The digits of a decimal text with its exponent applied, as far as an integer of 64 bits can need them.
  private struct Decimal {
    let digits: String
    let isWhole: Bool

    init?(_ text: String) {
      var rest = Substring(text)
      let sign = rest.first == "-" ? "-" : ""
      if !sign.isEmpty { rest.removeFirst() }
      var exponent = 0
      if let mark = rest.firstIndex(where: { $0 == "e" || $0 == "E" }) {
        guard let value = Int(rest[rest.index(after: mark)...]) else { return nil }
        exponent = value.clamped(to: -1_000...1_000)
        rest = rest[..<mark]
      }
      let parts = rest.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
      guard (1...2).contains(parts.count), parts.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy(Self.isDigit) }) else {
        return nil
      }
      var fraction = parts.count == 2 ? String(parts[1]) : ""
      var whole = String(parts[0])
      if exponent > 0 {
        let moved = fraction.prefix(exponent)
        whole += moved + String(repeating: "0", count: exponent - moved.count)
        fraction.removeFirst(moved.count)
      } else if exponent < 0 {
        let moved = whole.suffix(-exponent)
        fraction = String(repeating: "0", count: -exponent - moved.count) + moved + fraction
        whole.removeLast(moved.count)
      }
      isWhole = fraction.allSatisfy { $0 == "0" }
      let significant = whole.drop { $0 == "0" }
      digits = significant.isEmpty ? "0" : sign + significant
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
      (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
  }
}

extension Int {
  fileprivate func clamped(to range: ClosedRange<Int>) -> Int {
    Swift.min(Swift.max(self, range.lowerBound), range.upperBound)
  }
}

/// The key of a map field, which JSON writes as the name of a member.
protocol JSONMapKey: Comparable, Hashable, Sendable {
  init(jsonName: String, path: JSONPath) throws(Failure)
  var jsonName: String { get }
}

extension String: JSONMapKey {
  init(jsonName: String, path: JSONPath) { self = jsonName }
  var jsonName: String { self }
}
