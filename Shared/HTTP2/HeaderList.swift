#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// The fields of one header block, in the order they were sent; names may repeat.
///
/// A server makes one per call, so all of it is a single allocation: each field is six bytes of lengths (name 2,
/// value 4, little-endian) followed by both texts.
public struct HeaderList: Sendable, Equatable, Sequence {
  /// Where a field's name and value lie in `bytes`.
  public struct Field: Sendable {
    public let name: Range<Int>
    public let value: Range<Int>
  }

  static let lengthsSize = 6

  public internal(set) var bytes: [UInt8]

  public init() {
    bytes = []
  }

  /// `bytes` must be whole fields as `append` writes them.
  init(encoded bytes: [UInt8]) {
    self.bytes = bytes
  }

  public init(_ fields: [(String, String)]) {
    self.init()
    for (name, value) in fields { append(name, value) }
  }

  public var isEmpty: Bool { bytes.isEmpty }

  /// True if this is a copy of `other`, which is known without looking at the fields. False says nothing.
  public func isSame(as other: HeaderList) -> Bool {
    bytes.withUnsafeBufferPointer { own in other.bytes.withUnsafeBufferPointer { own.baseAddress == $0.baseAddress } }
      && bytes.count == other.bytes.count
  }

  /// Adds a field at the end. The name must be lower-case already (RFC 9113, 8.2.1) and shorter than 64 KiB.
  public mutating func append(_ name: some StringProtocol, _ value: some StringProtocol) {
    var name = String(name)
    var value = String(value)
    name.withUTF8 { name in
      value.withUTF8 { value in
        HeaderList.append(UnsafeRawBufferPointer(name), UnsafeRawBufferPointer(value), to: &bytes)
      }
    }
  }

  /// Adds all fields of another list at the end.
  public mutating func append(contentsOf other: HeaderList) {
    bytes.append(contentsOf: other.bytes)
  }

  static func append(
    _ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, to bytes: inout [UInt8]
  ) {
    precondition(name.count <= UInt16.max && value.count <= UInt32.max, "a header field has sane lengths")
    let lengths = (UInt64(name.count) | UInt64(value.count) << 16).littleEndian
    // Eight bytes are stored at once; the texts begin over the last two.
    bytes.append(addingCapacity: MemoryLayout<UInt64>.size + name.count + value.count) { added in
      added.withUnsafeMutableBufferPointer { memory, count in
        let target = UnsafeMutableRawBufferPointer(memory)
        target.storeBytes(of: lengths, as: UInt64.self)
        let texts = UnsafeMutableRawBufferPointer(rebasing: target[lengthsSize...])
        texts.copyMemory(from: name)
        UnsafeMutableRawBufferPointer(rebasing: texts[name.count...]).copyMemory(from: value)
        count = lengthsSize + name.count + value.count
      }
    }
  }

  /// True if the field at `offset` is this one; then `offset` moves behind it.
  func hasField(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, at offset: inout Int) -> Bool {
    let begin = offset + HeaderList.lengthsSize
    let end = begin + name.count + value.count
    guard end <= bytes.count else { return false }
    let isSame = bytes.withUnsafeBytes { own in
      guard let base = own.baseAddress, let nameBase = name.baseAddress, let valueBase = value.baseAddress,
        HeaderList.lengths(base + offset) == (name.count, value.count)
      else { return false }
      return memcmp(base + begin, nameBase, name.count) == 0
        && memcmp(base + begin + name.count, valueBase, value.count) == 0
    }
    if isSame { offset = end }
    return isSame
  }

  private static func lengths(in bytes: [UInt8], at offset: Int) -> (name: Int, value: Int) {
    bytes.withUnsafeBytes { bytes in bytes.baseAddress.map { lengths($0 + offset) } ?? (0, 0) }
  }

  @inline(__always)
  private static func lengths(_ field: UnsafeRawPointer) -> (name: Int, value: Int) {
    let name = field.loadUnaligned(as: UInt16.self)
    let value = field.loadUnaligned(fromByteOffset: 2, as: UInt32.self)
    return (Int(UInt16(littleEndian: name)), Int(UInt32(littleEndian: value)))
  }

  public struct Iterator: IteratorProtocol {
    fileprivate let bytes: [UInt8]
    fileprivate var offset = 0

    public mutating func next() -> Field? {
      guard offset < bytes.count else { return nil }
      let (nameCount, valueCount) = HeaderList.lengths(in: bytes, at: offset)
      let name = offset + HeaderList.lengthsSize
      let value = name + nameCount
      offset = value + valueCount
      return Field(name: name..<value, value: value..<offset)
    }
  }

  public func makeIterator() -> Iterator { Iterator(bytes: bytes) }

  /// The text of one of the ranges of a `Field`; ill-formed UTF-8 is repaired.
  public func text(_ range: Range<Int>) -> String {
    String(decoding: bytes[range], as: UTF8.self)
  }

  /// True if the text of a field's range is exactly `text`.
  public func matches(_ range: Range<Int>, _ text: StaticString) -> Bool {
    text.withUTF8Buffer { matches(range, $0) }
  }

  /// True if the text of a field's range is exactly these bytes.
  public func matches(_ range: Range<Int>, _ text: [UInt8]) -> Bool {
    text.withUnsafeBufferPointer { matches(range, $0) }
  }

  private func matches(_ range: Range<Int>, _ text: UnsafeBufferPointer<UInt8>) -> Bool {
    guard range.count == text.count, let expected = text.baseAddress else { return range.isEmpty && text.isEmpty }
    return bytes.withUnsafeBufferPointer { own in
      own.extracting(range).baseAddress.map { memcmp($0, expected, text.count) == 0 } ?? false
    }
  }

  /// Small enough for a connection to keep, in case the next one is like it.
  public var isSmall: Bool { bytes.count <= 1 << 10 }

  /// True if a part of `other` is exactly this list.
  func isHeld(in other: [UInt8], at range: Range<Int>) -> Bool {
    range.count == bytes.count && other.withUnsafeBufferPointer { matches(0..<bytes.count, $0.extracting(range)) }
  }

  /// True if the text of a field's range is exactly `text`. For texts that are no literals.
  public func matches(_ range: Range<Int>, text: String) -> Bool {
    guard range.count == text.utf8.count else { return false }
    var text = text
    return text.withUTF8 { matches(range, $0) }
  }

  /// The first value of a name.
  public func first(_ name: String) -> String? {
    for field in self where matches(field.name, text: name) { return text(field.value) }
    return nil
  }

  /// All values of a name, in the order they were sent.
  public func all(_ name: String) -> [String] {
    var values: [String] = []
    for field in self where matches(field.name, text: name) { values.append(text(field.value)) }
    return values
  }

  /// The size that limits are stated in: names, values and 32 bytes for each field (RFC 9113, 6.5.2).
  public var listBytes: Int {
    reduce(0) { $0 + $1.name.count + $1.value.count + HeaderList.fieldOverhead }
  }

  static let fieldOverhead = 32
}
