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
    withUnsafeBytes(of: lengths) { bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: $0[..<lengthsSize])) }
    bytes.append(contentsOf: name)
    bytes.append(contentsOf: value)
  }

  public struct Iterator: IteratorProtocol {
    fileprivate let bytes: [UInt8]
    fileprivate var offset = 0

    public mutating func next() -> Field? {
      guard offset < bytes.count else { return nil }
      let nameCount = Int(bytes[offset]) | Int(bytes[offset + 1]) << 8
      let valueCount =
        Int(bytes[offset + 2]) | Int(bytes[offset + 3]) << 8 | Int(bytes[offset + 4]) << 16
        | Int(bytes[offset + 5]) << 24
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
    guard range.count == text.utf8CodeUnitCount else { return false }
    return text.withUTF8Buffer { expected in
      bytes.withUnsafeBufferPointer { $0[range].elementsEqual(expected) }
    }
  }

  /// True if the text of a field's range is exactly these bytes.
  public func matches(_ range: Range<Int>, _ text: [UInt8]) -> Bool {
    guard range.count == text.count else { return false }
    return bytes.withUnsafeBufferPointer { own in
      text.withUnsafeBufferPointer { own.extracting(range).elementsEqual($0) }
    }
  }

  /// True if the text of a field's range is exactly `text`.
  public func matches(_ range: Range<Int>, _ text: String) -> Bool {
    guard range.count == text.utf8.count else { return false }
    return bytes[range].elementsEqual(text.utf8)
  }

  /// The first value of a name.
  public func first(_ name: String) -> String? {
    for field in self where matches(field.name, name) { return text(field.value) }
    return nil
  }

  /// All values of a name, in the order they were sent.
  public func all(_ name: String) -> [String] {
    var values: [String] = []
    for field in self where matches(field.name, name) { values.append(text(field.value)) }
    return values
  }

  /// The size that limits are stated in: names, values and 32 bytes for each field (RFC 9113, 6.5.2).
  public var listBytes: Int {
    reduce(0) { $0 + $1.name.count + $1.value.count + HeaderList.fieldOverhead }
  }

  static let fieldOverhead = 32
}
