/// Appends JSON text. Commas are its business; balance of objects and lists is the caller's.
public struct JSONWriter: Sendable {
  public private(set) var bytes: [UInt8] = []
  /// True where a comma would be wrong: at the start and after an opening bracket or a name.
  private var isFirst = true

  public init() {}

  public mutating func beginObject() { open(UInt8(ascii: "{")) }
  public mutating func endObject() { close(UInt8(ascii: "}")) }
  public mutating func beginArray() { open(UInt8(ascii: "[")) }
  public mutating func endArray() { close(UInt8(ascii: "]")) }

  /// The name of the next value of an object.
  public mutating func name(_ name: String) {
    separate()
    quote(name)
    bytes.append(UInt8(ascii: ":"))
    isFirst = true
  }

  public mutating func null() { literal("null") }

  public mutating func bool(_ value: Bool) { literal(value ? "true" : "false") }

  public mutating func string(_ text: String) {
    separate()
    quote(text)
  }

  public mutating func number(_ value: Int64) { literal(String(value)) }

  /// Whole numbers without a fraction; what JSON cannot say as a string (`"NaN"`), as proto3 JSON has it.
  public mutating func number(_ value: Double) {
    if let whole = Int64(exactly: value), abs(value) < 1e15 {
      number(whole)
    } else if value.isFinite {
      literal(String(value))
    } else {
      string(value.isNaN ? "NaN" : value > 0 ? "Infinity" : "-Infinity")
    }
  }

  /// A number or a word in its own spelling, which must be JSON.
  public mutating func literal(_ text: String) {
    separate()
    bytes.append(contentsOf: text.utf8)
  }

  public mutating func base64(_ data: [UInt8]) {
    separate()
    bytes.append(UInt8(ascii: "\""))
    Base64.append(data, to: &bytes)
    bytes.append(UInt8(ascii: "\""))
  }

  public mutating func value(_ value: JSONValue) {
    switch value {
    case .null: null()
    case .bool(let value): bool(value)
    case .number(let text): literal(text)
    case .string(let text): string(text)
    case .array(let elements):
      beginArray()
      for element in elements { self.value(element) }
      endArray()
    case .object(let members):
      beginObject()
      for member in members {
        name(member.name)
        self.value(member.value)
      }
      endObject()
    }
  }

  private mutating func open(_ bracket: UInt8) {
    separate()
    bytes.append(bracket)
    isFirst = true
  }

  private mutating func close(_ bracket: UInt8) {
    bytes.append(bracket)
    isFirst = false
  }

  private mutating func separate() {
    if !isFirst { bytes.append(UInt8(ascii: ",")) }
    isFirst = false
  }

  private mutating func quote(_ text: String) {
    bytes.append(UInt8(ascii: "\""))
    var text = text
    text.withUTF8 { utf8 in
      var start = 0
      for index in utf8.indices where Self.needsEscape(utf8[index]) {
        bytes.append(contentsOf: utf8[start..<index])
        escape(utf8[index])
        start = index + 1
      }
      bytes.append(contentsOf: utf8[start...])
    }
    bytes.append(UInt8(ascii: "\""))
  }

  private static func needsEscape(_ byte: UInt8) -> Bool {
    byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
  }

  private mutating func escape(_ byte: UInt8) {
    bytes.append(UInt8(ascii: "\\"))
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes.append(byte)
    case 0x0A: bytes.append(UInt8(ascii: "n"))
    case 0x0D: bytes.append(UInt8(ascii: "r"))
    case 0x09: bytes.append(UInt8(ascii: "t"))
    default:
      let digits = Array("0123456789abcdef".utf8)
      bytes.append(contentsOf: "u00".utf8)
      bytes.append(digits[Int(byte >> 4)])
      bytes.append(digits[Int(byte & 15)])
    }
  }
}

// What generated code writes: one call per field. Absent fields are left out, zero values are not.
extension JSONWriter {
  mutating func field<T: JSONCoded>(_ name: String, _ value: T) {
    self.name(name)
    value.writeJSON(to: &self)
  }

  mutating func field<T: JSONCoded>(_ name: String, _ value: T?) {
    guard let value else { return }
    field(name, value)
  }

  mutating func field<T: JSONCoded>(_ name: String, _ values: [T]) {
    self.name(name)
    beginArray()
    for value in values { value.writeJSON(to: &self) }
    endArray()
  }

  mutating func field<Key: JSONMapKey, T: JSONCoded>(_ name: String, _ map: [Key: T]) {
    self.name(name)
    beginObject()
    for (key, value) in map.sorted(by: { $0.key < $1.key }) { field(key.jsonName, value) }
    endObject()
  }

  mutating func field(_ name: String, bytes value: [UInt8]?) {
    guard let value else { return }
    self.name(name)
    base64(value)
  }

  mutating func field(_ name: String, bytes values: [[UInt8]]) {
    self.name(name)
    beginArray()
    for value in values { base64(value) }
    endArray()
  }
}
