import Kernel

extension BSONDocument {
  /// Relaxed extended JSON, as the shell takes it: for an operator's terminal. May hold personal data.
  public var json: String {
    guard let fields = try? fields() else { return "(unusable)" }
    return "{" + fields.map { "\(BSONValue.quoted($0.key)): \($0.value.json)" }.joined(separator: ", ") + "}"
  }
}

extension BSONValue {
  public var json: String {
    switch self {
    case .double(let number): "\(number)"
    case .string(let text): Self.quoted(text)
    case .document(let document): document.json
    case .array(let values): "[" + values.map(\.json).joined(separator: ", ") + "]"
    case .binary(let bytes): "{\"$binary\": \"\(bytes.count) bytes\"}"
    case .objectID(let id): "{\"$oid\": \"\(id)\"}"
    case .bool(let flag): "\(flag)"
    case .datetime(let instant): "{\"$date\": {\"$numberLong\": \"\(instant.milliseconds)\"}}"
    case .null: "null"
    case .int32(let number): "\(number)"
    case .int64(let number): "\(number)"
    case .timestamp(let value): "{\"$timestamp\": \(value)}"
    case .other(let type, _): "{\"$type\": \(type)}"
    }
  }

  static func quoted(_ text: String) -> String {
    var quoted = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": quoted += "\\\""
      case "\\": quoted += "\\\\"
      case "\u{0}"..<" ", "\u{7F}":
        let hex = String(scalar.value, radix: 16)
        quoted += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
      default: quoted.unicodeScalars.append(scalar)
      }
    }
    return quoted + "\""
  }
}
