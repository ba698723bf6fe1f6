public import Kernel

/// Writes the fields of one document, in order (bsonspec.org, version 1.1).
///
/// Names are chosen by the program. A NUL in one, or more than 2 GiB, spoils the document (`BSONDocument.isUsable`).
public struct BSONWriter {
  /// BSON lengths are 32 bits, signed.
  private static let bytesMax = Int(Int32.max)

  private var bytes: [UInt8]
  private var isBroken = false

  /// `capacity` is about what the document will take: growing copies.
  init(capacity: Int = 128) {
    bytes = []
    bytes.reserveCapacity(capacity)
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
    storeLength(from: 0)
    return bytes
  }

  mutating func appendElements(of document: [UInt8]) {
    bytes.append(contentsOf: document[4..<(document.count - 1)])
  }
}

/// One field of a known type. Where many documents are written, these are several times as fast as values are.
extension BSONWriter {
  public mutating func append(_ key: StaticString, _ text: String) {
    append(key.bytes, text: text)
  }

  /// Absent is stored as an explicit null.
  public mutating func appendOrNull(_ key: StaticString, _ text: String?) {
    if let text { append(key.bytes, text: text) } else { append(key.bytes, .null) }
  }

  public mutating func append(_ key: StaticString, strings: [String]) {
    let start = begin(.array, key.bytes)
    for (index, text) in strings.enumerated() {
      DecimalKey(index).withBytes { append($0, text: text) }
    }
    end(start)
  }

  public mutating func append(_ key: StaticString, _ id: ObjectID) {
    append(key.bytes, id)
  }

  public mutating func append<Subject>(_ key: StaticString, _ id: ID<Subject>) {
    append(key.bytes, id.value)
  }

  public mutating func append(_ key: StaticString, _ number: Int32) {
    append(.int32, key.bytes, number)
  }

  public mutating func append(_ key: StaticString, _ number: Int64) {
    append(.int64, key.bytes, number)
  }

  public mutating func append(_ key: StaticString, _ money: Money) {
    append(.int64, key.bytes, money.paise)
  }

  public mutating func append(_ key: StaticString, _ flag: Bool) {
    append(.bool, key.bytes, flag ? 1 : 0 as UInt8)
  }

  public mutating func append(_ key: StaticString, _ time: Timestamp) {
    append(.datetime, key.bytes, time.milliseconds)
  }

  public mutating func append(_ key: StaticString, _ document: BSONDocument) {
    append(key.bytes, document)
  }

  public mutating func append(_ key: StaticString, documents: [BSONDocument]) {
    let start = begin(.array, key.bytes)
    for (index, document) in documents.enumerated() {
      DecimalKey(index).withBytes { append($0, document) }
    }
    end(start)
  }

  /// A document of its own, written in place.
  public mutating func append(_ key: StaticString, _ write: (inout BSONWriter) -> Void) {
    let start = begin(.document, key.bytes)
    write(&self)
    end(start)
  }
}

/// One field of any type.
extension BSONWriter {
  mutating func append(_ key: String, _ value: BSONValue) {
    var key = key
    key.withUTF8 { name in
      if name.contains(0) { isBroken = true }
      append(name, value)
    }
  }

  private mutating func append(_ key: UnsafeBufferPointer<UInt8>, _ value: BSONValue) {
    switch value {
    case .double(let number): append(.double, key, number.bitPattern)
    case .string(let text): append(key, text: text)
    case .document(let document): append(key, document)
    case .array(let values): append(key, values)
    case .binary(let data):
      let length = UInt32(truncatingIfNeeded: data.count)
      element(.binary, key, size: 5) { value in
        value.storeBytes(of: length.littleEndian, as: UInt32.self)
        value.storeBytes(of: 0, toByteOffset: 4, as: UInt8.self)
      }
      bytes.append(contentsOf: data)
    case .objectID(let id): append(key, id)
    case .bool(let flag): append(.bool, key, flag ? 1 : 0 as UInt8)
    case .datetime(let time): append(.datetime, key, time.milliseconds)
    case .null: element(.null, key, size: 0) { _ in }
    case .int32(let number): append(.int32, key, number)
    case .int64(let number): append(.int64, key, number)
    case .timestamp(let time): append(.timestamp, key, time)
    case .other(let type, let raw):
      element(type, key, size: 0) { _ in }
      bytes.append(contentsOf: raw)
    }
  }

  private mutating func append(_ key: UnsafeBufferPointer<UInt8>, _ values: [BSONValue]) {
    let start = begin(.array, key)
    for (index, value) in values.enumerated() {
      DecimalKey(index).withBytes { append($0, value) }
    }
    end(start)
  }
}

/// Elements.
extension BSONWriter {
  private mutating func append(_ key: UnsafeBufferPointer<UInt8>, text: String) {
    var text = text
    text.withUTF8 { text in
      element(.string, key, size: 4 + text.count + 1) { value in
        value.storeBytes(of: UInt32(truncatingIfNeeded: text.count + 1).littleEndian, as: UInt32.self)
        if let start = text.baseAddress { (value + 4).copyMemory(from: start, byteCount: text.count) }
        value.storeBytes(of: 0, toByteOffset: 4 + text.count, as: UInt8.self)
      }
    }
  }

  private mutating func append(_ key: UnsafeBufferPointer<UInt8>, _ id: ObjectID) {
    element(.objectID, key, size: ObjectID.byteCount) { id.store(to: $0) }
  }

  private mutating func append(_ key: UnsafeBufferPointer<UInt8>, _ document: BSONDocument) {
    guard document.isUsable else { return isBroken = true }
    element(.document, key, size: 0) { _ in }
    bytes.append(contentsOf: document.bytes)
  }

  private mutating func append<Number: FixedWidthInteger & BitwiseCopyable>(
    _ type: BSONType, _ key: UnsafeBufferPointer<UInt8>, _ number: Number
  ) {
    element(type, key, size: MemoryLayout<Number>.size) { $0.storeBytes(of: number.littleEndian, as: Number.self) }
  }

  /// Begins a document inside the document; `end` takes what is returned.
  private mutating func begin(_ type: BSONType, _ key: UnsafeBufferPointer<UInt8>) -> Int {
    element(type, key, size: 4) { $0.storeBytes(of: 0, as: UInt32.self) }
    return bytes.count - 4
  }

  private mutating func end(_ start: Int) {
    bytes.append(0)
    guard bytes.count - start <= Self.bytesMax else { return isBroken = true }
    storeLength(from: start)
  }

  private mutating func storeLength(from start: Int) {
    let length = Int32(bytes.count - start).littleEndian
    bytes.withUnsafeMutableBytes { $0.storeBytes(of: length, toByteOffset: start, as: Int32.self) }
  }

  private mutating func element(
    _ type: BSONType, _ key: UnsafeBufferPointer<UInt8>, size: Int, _ write: (UnsafeMutableRawPointer) -> Void
  ) {
    element(type.rawValue, key, size: size, write)
  }

  /// Type, name, and `size` bytes that `write` fills: one step, since growing the bytes is what takes the time.
  @inline(__always)
  private mutating func element(
    _ type: UInt8, _ key: UnsafeBufferPointer<UInt8>, size: Int, _ write: (UnsafeMutableRawPointer) -> Void
  ) {
    let head = key.count + 2
    bytes.append(addingCapacity: head + size) { added in
      added.withUnsafeMutableBufferPointer { free, count in
        guard let start = free.baseAddress.map({ UnsafeMutableRawPointer($0 + count) }) else { return }
        start.storeBytes(of: type, as: UInt8.self)
        if let name = key.baseAddress { (start + 1).copyMemory(from: name, byteCount: key.count) }
        start.storeBytes(of: 0, toByteOffset: head - 1, as: UInt8.self)
        write(start + head)
        count += head + size
      }
    }
  }
}

/// The name of an array's element: its index.
private struct DecimalKey {
  private var digits: InlineArray<20, UInt8> = .init(repeating: 0)
  private var start = 20

  init(_ index: Int) {
    var rest = UInt(index)
    repeat {
      start -= 1
      digits[start] = UInt8(ascii: "0") + UInt8(rest % 10)
      rest /= 10
    } while rest > 0
  }

  func withBytes(_ body: (UnsafeBufferPointer<UInt8>) -> Void) {
    digits.span.extracting(start...).withUnsafeBufferPointer(body)
  }
}

extension StaticString {
  fileprivate var bytes: UnsafeBufferPointer<UInt8> {
    UnsafeBufferPointer(start: utf8Start, count: utf8CodeUnitCount)
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
