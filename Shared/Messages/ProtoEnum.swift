import Kernel

/// An open enum of the protos: values that this version does not know are kept as their number.
public protocol ProtoEnum: RawRepresentable<Int32>, Hashable, JSONCoded, CaseIterable, CustomStringConvertible {
  init(rawValue: Int32)

  /// The value with this proto name (`ROLE_SHOPPER`).
  init?(name: String)

  /// The value with this spelling in storage, tokens, audit metadata and CSV (`shopper`).
  init?(stored: String)

  /// The proto name; nil for a value that this version does not know.
  var name: String? { get }

  /// The spelling in storage; nil for unspecified and unknown values.
  var stored: String? { get }
}

extension ProtoEnum {
  /// The value of an unset field.
  public init() { self.init(rawValue: 0) }

  /// False for a value that this version of the protos does not have.
  public var isKnown: Bool { name != nil }

  public var isUnspecified: Bool { rawValue == 0 }

  public var description: String { name ?? String(rawValue) }

  /// Reads the proto name, the stored spelling, or the number.
  public init(json: JSONValue, path: JSONPath) throws(Failure) {
    switch json {
    case .string(let text):
      guard let value = Self(name: text) ?? Self(stored: text) else {
        throw .validation(path.text, "must be one of \(Self.choices)")
      }
      self = value
    case .number:
      self.init(rawValue: try Int32(json: json, path: path))
    default:
      throw .validation(path.text, "must be one of \(Self.choices)")
    }
  }

  public func writeJSON(to writer: inout JSONWriter) {
    if let name {
      writer.string(name)
    } else {
      writer.number(Int64(rawValue))
    }
  }

  /// The names of all values but the unspecified one, for messages to people.
  static var choices: String {
    allCases.filter { !$0.isUnspecified }.compactMap(\.name).joined(separator: ", ")
  }
}
