/// One field of a protobuf message, without knowledge of its type.
struct WireField {
  enum Value {
    case varint(UInt64)
    case fixed64(UInt64)
    case bytes([UInt8])
    case fixed32(UInt32)
  }

  let number: Int
  var value: Value
}

/// A message as the list of its fields: enough to read descriptors and to rewrite them without a schema.
struct WireMessage {
  var fields: [WireField] = []

  init(fields: [WireField] = []) {
    self.fields = fields
  }

  init(_ bytes: some Collection<UInt8>) throws(GenerationFailure) {
    var rest = Array(bytes)[...]
    while !rest.isEmpty {
      let tag = try Self.varint(&rest)
      let number = Int(tag >> 3)
      switch tag & 7 {
      case 0: fields.append(WireField(number: number, value: .varint(try Self.varint(&rest))))
      case 1: fields.append(WireField(number: number, value: .fixed64(try Self.fixed(8, &rest))))
      case 2:
        let length = Int(try Self.varint(&rest))
        guard length <= rest.count else { throw GenerationFailure("a descriptor ends too early") }
        fields.append(WireField(number: number, value: .bytes(Array(rest.prefix(length)))))
        rest = rest.dropFirst(length)
      case 5: fields.append(WireField(number: number, value: .fixed32(UInt32(try Self.fixed(4, &rest)))))
      default: throw GenerationFailure("a descriptor has an unknown wire type")
      }
    }
  }

  var encoded: [UInt8] {
    var out: [UInt8] = []
    for field in fields {
      switch field.value {
      case .varint(let value):
        Self.append(UInt64(field.number) << 3, to: &out)
        Self.append(value, to: &out)
      case .fixed64(let value):
        Self.append(UInt64(field.number) << 3 | 1, to: &out)
        for shift in stride(from: 0, to: 64, by: 8) { out.append(UInt8(truncatingIfNeeded: value >> shift)) }
      case .bytes(let bytes):
        Self.append(UInt64(field.number) << 3 | 2, to: &out)
        Self.append(UInt64(bytes.count), to: &out)
        out += bytes
      case .fixed32(let value):
        Self.append(UInt64(field.number) << 3 | 5, to: &out)
        for shift in stride(from: 0, to: 32, by: 8) { out.append(UInt8(truncatingIfNeeded: value >> shift)) }
      }
    }
    return out
  }

  private static func varint(_ rest: inout ArraySlice<UInt8>) throws(GenerationFailure) -> UInt64 {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), through: 63, by: 7) {
      guard let byte = rest.popFirst() else { break }
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
    }
    throw GenerationFailure("a descriptor has a damaged number")
  }

  private static func fixed(_ count: Int, _ rest: inout ArraySlice<UInt8>) throws(GenerationFailure) -> UInt64 {
    guard rest.count >= count else { throw GenerationFailure("a descriptor ends too early") }
    defer { rest = rest.dropFirst(count) }
    return rest.prefix(count).reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  private static func append(_ value: UInt64, to out: inout [UInt8]) {
    var value = value
    while value >= 0x80 {
      out.append(UInt8(truncatingIfNeeded: value) | 0x80)
      value >>= 7
    }
    out.append(UInt8(value))
  }
}

// Reading by field number. The last value of a singular field wins, as the wire format has it.
extension WireMessage {
  func byteStrings(_ number: Int) -> [[UInt8]] {
    fields.compactMap { field in
      if field.number == number, case .bytes(let bytes) = field.value { bytes } else { nil }
    }
  }

  func messages(_ number: Int) throws(GenerationFailure) -> [WireMessage] {
    var messages: [WireMessage] = []
    for bytes in byteStrings(number) { messages.append(try WireMessage(bytes)) }
    return messages
  }

  func message(_ number: Int) throws(GenerationFailure) -> WireMessage? {
    try messages(number).last
  }

  func strings(_ number: Int) -> [String] {
    byteStrings(number).map { String(decoding: $0, as: UTF8.self) }
  }

  func string(_ number: Int) -> String {
    strings(number).last ?? ""
  }

  func varint(_ number: Int) -> UInt64? {
    for field in fields.reversed() where field.number == number {
      if case .varint(let value) = field.value { return value }
    }
    return nil
  }

  func int(_ number: Int) -> Int {
    Int(Int32(truncatingIfNeeded: varint(number) ?? 0))
  }

  func bool(_ number: Int) -> Bool {
    varint(number).map { $0 != 0 } ?? false
  }

  /// A repeated int32, packed or not.
  func ints(_ number: Int) throws(GenerationFailure) -> [Int] {
    var values: [Int] = []
    for field in fields where field.number == number {
      switch field.value {
      case .varint(let value): values.append(Int(Int32(truncatingIfNeeded: value)))
      case .bytes(let bytes):
        var rest = bytes[...]
        while !rest.isEmpty { values.append(Int(Int32(truncatingIfNeeded: try Self.varint(&rest)))) }
      case .fixed32, .fixed64: throw GenerationFailure("a descriptor has a list of a wrong type")
      }
    }
    return values
  }
}

// Rewriting by field number.
extension WireMessage {
  mutating func remove(_ number: Int) {
    fields.removeAll { $0.number == number }
  }

  mutating func set(_ number: Int, _ message: WireMessage) {
    remove(number)
    fields.append(WireField(number: number, value: .bytes(message.encoded)))
  }

  mutating func append(_ number: Int, _ text: String) {
    fields.append(WireField(number: number, value: .bytes(Array(text.utf8))))
  }

  mutating func append(_ number: Int, _ value: UInt64) {
    fields.append(WireField(number: number, value: .varint(value)))
  }

  /// Replaces every nested message of one field.
  mutating func rewrite(
    _ number: Int, _ change: (inout WireMessage) throws(GenerationFailure) -> Void
  ) throws(GenerationFailure) {
    for index in fields.indices where fields[index].number == number {
      guard case .bytes(let bytes) = fields[index].value else { continue }
      var message = try WireMessage(bytes)
      try change(&message)
      fields[index].value = .bytes(message.encoded)
    }
  }
}
