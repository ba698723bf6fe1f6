import Kernel

/// A JSON text as it was written: members keep their order, numbers keep their digits.
public enum JSONValue: Hashable, Sendable {
  case null
  case bool(Bool)
  /// The number's own text, so that 64-bit integers stay exact.
  case number(String)
  case string(String)
  case array([JSONValue])
  /// Without duplicate names when it was parsed.
  case object([JSONMember])
}

public struct JSONMember: Hashable, Sendable {
  public let name: String
  public let value: JSONValue

  public init(_ name: String, _ value: JSONValue) {
    self.name = name
    self.value = value
  }
}

extension JSONValue {
  /// Parses a whole text strictly (RFC 8259): UTF-8, no duplicate members, no trailing text.
  ///
  /// Fails with `VALIDATION_FAILED` and the path of the offence, or `body` for the text as a whole.
  public init(parsing bytes: [UInt8]) throws(Failure) {
    var result: Result<JSONValue, Failure> = .success(.null)
    bytes.withUnsafeBufferPointer { buffer in
      var parser = JSONParser(buffer)
      do throws(Failure) {
        result = .success(try parser.parseText())
      } catch {
        result = .failure(error)
      }
    }
    self = try result.get()
  }

  public init(parsing text: String) throws(Failure) {
    try self.init(parsing: Array(text.utf8))
  }

  /// The compact JSON text.
  public var bytes: [UInt8] {
    var writer = JSONWriter()
    writer.value(self)
    return writer.bytes
  }

  /// The member of an object; nil if there is none or this is no object.
  public subscript(name: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.name == name }?.value
  }

  /// The element of a list; nil outside its bounds or if this is no list.
  public subscript(index: Int) -> JSONValue? {
    guard case .array(let elements) = self, elements.indices.contains(index) else { return nil }
    return elements[index]
  }

  public var string: String? {
    if case .string(let text) = self { text } else { nil }
  }

  public var bool: Bool? {
    if case .bool(let value) = self { value } else { nil }
  }

  public var array: [JSONValue]? {
    if case .array(let elements) = self { elements } else { nil }
  }

  public var members: [JSONMember]? {
    if case .object(let members) = self { members } else { nil }
  }

  /// The integer of a number or of a string of digits, if it is one and fits.
  public var int64: Int64? { try? Int64(json: self, path: .root) }
}

// Not by `nil`, which would be taken for "no value" where an optional is meant.
extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
  ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  public init(stringLiteral value: String) { self = .string(value) }
  public init(integerLiteral value: Int64) { self = .number(String(value)) }
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }

  public init(dictionaryLiteral elements: (String, JSONValue)...) {
    self = .object(elements.map { JSONMember($0, $1) })
  }
}
