/// The fields of a serialized descriptor, in the order of the wire and without knowledge of its type.
///
/// Only for the descriptors that this build itself contains: what is malformed ends the sequence.
struct DescriptorFields: Sequence, IteratorProtocol {
  struct Field {
    let number: Int
    /// Of a varint; 0 for the other wire types.
    let value: UInt64
    /// Of a text, bytes or a message; empty for the other wire types.
    let bytes: ArraySlice<UInt8>

    var text: String { String(decoding: bytes, as: UTF8.self) }
    var fields: DescriptorFields { DescriptorFields(bytes) }
  }

  private var rest: ArraySlice<UInt8>

  init(_ bytes: ArraySlice<UInt8>) {
    rest = bytes
  }

  mutating func next() -> Field? {
    guard let tag = varint() else { return nil }
    let number = Int(truncatingIfNeeded: tag >> 3)
    switch tag & 7 {
    case 0: return varint().map { Field(number: number, value: $0, bytes: []) }
    case 1: return take(8).map { _ in Field(number: number, value: 0, bytes: []) }
    case 2:
      guard let length = varint(), let bytes = take(Int(clamping: length)) else { return nil }
      return Field(number: number, value: 0, bytes: bytes)
    case 5: return take(4).map { _ in Field(number: number, value: 0, bytes: []) }
    default: return nil
    }
  }

  private mutating func take(_ count: Int) -> ArraySlice<UInt8>? {
    guard count <= rest.count else { return nil }
    defer { rest = rest.dropFirst(count) }
    return rest.prefix(count)
  }

  private mutating func varint() -> UInt64? {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), through: 63, by: 7) {
      guard let byte = rest.popFirst() else { return nil }
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
    }
    return nil
  }

  /// The texts of one field.
  func texts(_ number: Int) -> [String] {
    compactMap { $0.number == number ? $0.text : nil }
  }
}
