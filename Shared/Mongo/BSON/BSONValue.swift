import Kernel

/// One value of a document.
///
/// A literal integer is an `int64`, a dictionary literal a `document`. Text is always a value and never an operator:
/// what a user sends cannot change the meaning of a filter.
public enum BSONValue: Hashable, Sendable {
  case double(Double)
  case string(String)
  case document(BSONDocument)
  case array([BSONValue])
  case binary([UInt8])
  case objectID(ObjectID)
  case bool(Bool)
  case datetime(Timestamp)
  case null
  case int32(Int32)
  case int64(Int64)
  /// The server's internal timestamp (operation times), not a date.
  case timestamp(UInt64)
  /// A type that this product does not write, kept byte by byte.
  case other(type: UInt8, bytes: [UInt8])
}

extension BSONValue: ExpressibleByIntegerLiteral, ExpressibleByStringLiteral, ExpressibleByStringInterpolation,
  ExpressibleByBooleanLiteral, ExpressibleByNilLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral,
  ExpressibleByFloatLiteral
{
  public init(integerLiteral value: Int64) { self = .int64(value) }
  public init(floatLiteral value: Double) { self = .double(value) }
  public init(stringLiteral value: String) { self = .string(value) }
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  public init(nilLiteral: ()) { self = .null }
  public init(arrayLiteral elements: BSONValue...) { self = .array(elements) }
  public init(dictionaryLiteral elements: (String, BSONValue)...) { self = .document(BSONDocument(elements)) }
}

extension BSONValue {
  public static func id<Subject>(_ id: ID<Subject>) -> BSONValue { .objectID(id.value) }

  public static func money(_ money: Money) -> BSONValue { .int64(money.paise) }

  public static func strings(_ texts: some Sequence<String>) -> BSONValue { .array(texts.map { .string($0) }) }

  public static func ids<Subject>(_ ids: some Sequence<ID<Subject>>) -> BSONValue { .array(ids.map { .id($0) }) }

  public static func documents(_ documents: some Sequence<BSONDocument>) -> BSONValue {
    .array(documents.map { .document($0) })
  }

  /// Absent is stored as an explicit null.
  public static func optional(_ value: String?) -> BSONValue { value.map { .string($0) } ?? .null }

  public static func optional(_ value: Int64?) -> BSONValue { value.map { .int64($0) } ?? .null }

  public static func optional(_ value: Int32?) -> BSONValue { value.map { .int32($0) } ?? .null }

  public static func optional(_ value: Bool?) -> BSONValue { value.map { .bool($0) } ?? .null }

  public static func optional(_ value: Timestamp?) -> BSONValue { value.map { .datetime($0) } ?? .null }

  public static func optional(_ value: Money?) -> BSONValue { value.map { .money($0) } ?? .null }

  public static func optional(_ value: [UInt8]?) -> BSONValue { value.map { .binary($0) } ?? .null }

  public static func optional(_ value: BSONDocument?) -> BSONValue { value.map { .document($0) } ?? .null }

  public static func optional(_ value: PartyCode?) -> BSONValue { value.map { .string($0.rawValue) } ?? .null }

  public static func optional<Subject>(_ value: ID<Subject>?) -> BSONValue { value.map { .id($0) } ?? .null }

  /// The type's name in the manual's words, for messages.
  var typeName: String {
    switch self {
    case .double: "double"
    case .string: "string"
    case .document: "document"
    case .array: "array"
    case .binary: "binary"
    case .objectID: "objectId"
    case .bool: "bool"
    case .datetime: "date"
    case .null: "null"
    case .int32: "int32"
    case .int64: "int64"
    case .timestamp: "timestamp"
    case .other(let type, _): "type \(type)"
    }
  }
}
