internal import CProtobufC

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

// From the C structs of protobuf-c to Swift values: everything is copied, all text is checked.

extension ProtobufCBinaryData {
  /// The text of a string field, which must be UTF-8 without U+0000.
  func string(_ field: StaticString) throws(MessageFailure) -> String {
    guard len > 0, let data else { return "" }
    let bytes = UnsafeBufferPointer(start: data, count: len)
    if WireText.isPlainASCII(bytes) {
      return String(copying: UTF8Span(unchecked: bytes.span, isKnownASCII: true))
    }
    guard memchr(data, 0, len) == nil else { throw .containsNUL(field: field.description) }
    do {
      return String(copying: try UTF8Span(validating: bytes.span))
    } catch {
      throw .invalidUTF8(field: field.description)
    }
  }

  var array: [UInt8] { [UInt8](UnsafeBufferPointer(start: data, count: len)) }
}

enum WireText {
  /// True when every byte is 0x01 to 0x7F. Looks at eight bytes at a time.
  static func isPlainASCII(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
    let raw = UnsafeRawBufferPointer(bytes)
    let highBits: UInt64 = 0x8080_8080_8080_8080
    let lowBits: UInt64 = 0x0101_0101_0101_0101
    var index = 0
    while index &+ 8 <= raw.count {
      let word = raw.loadUnaligned(fromByteOffset: index, as: UInt64.self)
      // The subtraction borrows into the high bit of a byte that is zero, or above 0x80.
      guard (word | (word &- lowBits)) & highBits == 0 else { return false }
      index &+= 8
    }
    while index < raw.count {
      guard (1...0x7F).contains(raw[index]) else { return false }
      index &+= 1
    }
    return true
  }
}

enum WireRead {
  static func message<M: WireMessage>(_ c: UnsafeMutablePointer<M.CStruct>?) throws(MessageFailure) -> M? {
    guard let c else { return nil }
    return try M(c: c)
  }

  static func messages<M: WireMessage>(
    _ count: Int, _ items: UnsafeMutablePointer<UnsafeMutablePointer<M.CStruct>?>?
  ) throws(MessageFailure) -> [M] {
    guard count > 0, let items else { return [] }
    var values: [M] = []
    values.reserveCapacity(count)
    for index in 0..<count {
      guard let item = items[index] else { throw .malformed }
      values.append(try M(c: item))
    }
    return values
  }

  static func strings(
    _ count: Int, _ items: UnsafeMutablePointer<ProtobufCBinaryData>?, _ field: StaticString
  ) throws(MessageFailure) -> [String] {
    guard count > 0, let items else { return [] }
    var values: [String] = []
    values.reserveCapacity(count)
    for index in 0..<count { values.append(try items[index].string(field)) }
    return values
  }

  static func byteArrays(_ count: Int, _ items: UnsafeMutablePointer<ProtobufCBinaryData>?) -> [[UInt8]] {
    UnsafeMutableBufferPointer(start: items, count: count).map(\.array)
  }

  static func numbers<T>(_ count: Int, _ items: UnsafeMutablePointer<T>?) -> [T] {
    [T](UnsafeMutableBufferPointer(start: items, count: count))
  }

  static func bools(_ count: Int, _ items: UnsafeMutablePointer<protobuf_c_boolean>?) -> [Bool] {
    UnsafeMutableBufferPointer(start: items, count: count).map { $0 != 0 }
  }

  static func enumeration<E: ProtoEnum, C: RawRepresentable<UInt32>>(_ value: C) -> E {
    E(rawValue: Int32(bitPattern: value.rawValue))
  }

  static func enumerations<E: ProtoEnum, C: RawRepresentable<UInt32>>(
    _ count: Int, _ items: UnsafeMutablePointer<C>?
  ) -> [E] {
    UnsafeMutableBufferPointer(start: items, count: count).map { enumeration($0) }
  }
}
