/// Writes the elements of one document (bsonspec.org, version 1.1).
struct BSONWriter {
  /// BSON lengths are 32 bits, signed.
  private static let bytesMax = Int(Int32.max)

  private var bytes: [UInt8]
  private var isBroken = false

  init() {
    bytes = []
    // What most filters and updates need; growing from nothing would copy several times.
    bytes.reserveCapacity(128)
    bytes.append(contentsOf: [0, 0, 0, 0])
  }

  /// Goes on after the last field of a document.
  init(continuing document: consuming [UInt8]) {
    bytes = document
    bytes.removeLast()
  }

  /// The document, or no bytes if something in it cannot be written.
  consuming func finish() -> [UInt8] {
    bytes.append(0)
    guard !isBroken, bytes.count <= Self.bytesMax else { return [] }
    Self.store(Int32(bytes.count), at: 0, in: &bytes)
    return bytes
  }

  mutating func appendElements(of document: [UInt8]) {
    bytes.append(contentsOf: document[4..<(document.count - 1)])
  }

  mutating func append(_ key: String, _ value: BSONValue) {
    switch value {
    case .double(let number):
      begin(.double, key)
      append(number.bitPattern)
    case .string(let text):
      begin(.string, key)
      append(text: text)
    case .document(let document):
      guard document.isUsable else { return markBroken() }
      begin(.document, key)
      bytes.append(contentsOf: document.bytes)
    case .array(let values):
      begin(.array, key)
      append(values)
    case .binary(let data):
      begin(.binary, key)
      append(UInt32(truncatingIfNeeded: data.count))
      bytes.append(0)
      bytes.append(contentsOf: data)
    case .objectID(let hex):
      begin(.objectID, key)
      append(objectID: hex)
    case .bool(let flag):
      begin(.bool, key)
      bytes.append(flag ? 1 : 0)
    case .datetime(let time):
      begin(.datetime, key)
      append(UInt64(bitPattern: time.milliseconds))
    case .null:
      begin(.null, key)
    case .int32(let number):
      begin(.int32, key)
      append(UInt32(bitPattern: number))
    case .int64(let number):
      begin(.int64, key)
      append(UInt64(bitPattern: number))
    case .timestamp(let time):
      begin(.timestamp, key)
      append(time)
    case .other(let type, let raw):
      bytes.append(type)
      append(name: key)
      bytes.append(contentsOf: raw)
    }
  }

  private mutating func begin(_ type: BSONType, _ key: String) {
    bytes.append(type.rawValue)
    append(name: key)
  }

  private mutating func append(name: String) {
    var name = name
    name.withUTF8 { text in
      for byte in text where byte == 0 { isBroken = true }
      bytes.append(contentsOf: text)
    }
    bytes.append(0)
  }

  private mutating func append(text: String) {
    var text = text
    text.withUTF8 { text in
      append(UInt32(truncatingIfNeeded: text.count + 1))
      bytes.append(contentsOf: text)
    }
    bytes.append(0)
  }

  private mutating func append(_ values: [BSONValue]) {
    let start = bytes.count
    bytes.append(contentsOf: [0, 0, 0, 0])
    for (index, value) in values.enumerated() { append(String(index), value) }
    bytes.append(0)
    guard bytes.count - start <= Self.bytesMax else { return markBroken() }
    Self.store(Int32(bytes.count - start), at: start, in: &bytes)
  }

  private mutating func append(objectID hex: String) {
    var hex = hex
    hex.withUTF8 { digits in
      guard digits.count == 24 else { return markBroken() }
      for index in stride(from: 0, to: 24, by: 2) {
        guard let high = Self.hexDigit(digits[index]), let low = Self.hexDigit(digits[index + 1]) else {
          return markBroken()
        }
        bytes.append(high << 4 | low)
      }
    }
  }

  private mutating func append(_ number: some FixedWidthInteger) {
    withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
  }

  private mutating func markBroken() {
    isBroken = true
  }

  private static func store(_ number: Int32, at offset: Int, in bytes: inout [UInt8]) {
    withUnsafeBytes(of: number.littleEndian) { source in
      for index in 0..<4 { bytes[offset + index] = source[index] }
    }
  }

  private static func hexDigit(_ character: UInt8) -> UInt8? {
    switch character {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): character - UInt8(ascii: "a") + 10
    default: nil
    }
  }
}

/// The type bytes that this product writes.
enum BSONType: UInt8 {
  case double = 0x01
  case string = 0x02
  case document = 0x03
  case array = 0x04
  case binary = 0x05
  case objectID = 0x07
  case bool = 0x08
  case datetime = 0x09
  case null = 0x0A
  case int32 = 0x10
  case timestamp = 0x11
  case int64 = 0x12
}
