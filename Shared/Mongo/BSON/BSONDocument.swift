/// One BSON document, held as its bytes: the order of fields is kept and nothing is converted until it is read.
///
/// ```swift
/// let filter: BSONDocument = ["_id": .id(walletID), "version": .int64(version)]
/// ```
///
/// Keys are chosen by the program. A key with a NUL byte or a document beyond 2 GiB makes the document unusable:
/// `isUsable` is false, and every read and every command with it is refused.
public struct BSONDocument: Hashable, Sendable, ExpressibleByDictionaryLiteral {
  /// Empty when the document is unusable.
  public private(set) var bytes: [UInt8]

  public init() {
    bytes = [5, 0, 0, 0, 0]
  }

  public init(dictionaryLiteral elements: (String, BSONValue)...) {
    self.init(elements)
  }

  /// The fields in this order.
  public init(_ fields: [(String, BSONValue)]) {
    var writer = BSONWriter()
    for (key, value) in fields { writer.append(key, value) }
    bytes = writer.finish()
  }

  /// The fields that `write` appends, of which the document is made about `capacity` bytes long: for what is written
  /// in numbers.
  public init(capacity: Int, _ write: (inout BSONWriter) -> Void) {
    var writer = BSONWriter(capacity: capacity)
    write(&writer)
    bytes = writer.finish()
  }

  /// Fields whose names come from users: a leading `$`, a `.` and a NUL are refused.
  public init(userFields fields: [(String, BSONValue)]) throws(MongoFailure) {
    for (key, _) in fields {
      guard !key.isEmpty, !key.hasPrefix("$"), !key.utf8.contains(0), !key.utf8.contains(UInt8(ascii: ".")) else {
        throw .malformedDocument("a field name is empty, begins with $ or contains a dot or NUL")
      }
    }
    self.init(fields)
  }

  /// Bytes from elsewhere, checked completely: lengths, nesting, text.
  public init(validating bytes: [UInt8]) throws(MongoFailure) {
    guard BSONValidation.isSound(bytes) else { throw .malformedDocument("not a BSON document") }
    self.bytes = bytes
  }

  /// Bytes known to be one document: the server's, cut out by the scanner, or the writer's.
  init(unchecked bytes: [UInt8]) {
    self.bytes = bytes
  }

  public var isUsable: Bool { !bytes.isEmpty }

  public var isEmpty: Bool { bytes.count <= 5 }

  /// Adds a field at the end. Does not look for an earlier field of that name.
  public mutating func append(_ key: String, _ value: BSONValue) {
    guard isUsable else { return }
    var writer = BSONWriter(continuing: taken())
    writer.append(key, value)
    bytes = writer.finish()
  }

  /// Adds the fields of `other` at the end.
  public mutating func append(contentsOf other: BSONDocument) {
    guard isUsable, other.isUsable else {
      bytes = []
      return
    }
    let elements = other.bytes
    var writer = BSONWriter(continuing: taken())
    writer.appendElements(of: elements)
    bytes = writer.finish()
  }

  /// The bytes, which nobody else holds then: they grow in place.
  private mutating func taken() -> [UInt8] {
    var taken: [UInt8] = []
    swap(&taken, &bytes)
    return taken
  }

  public func appending(_ key: String, _ value: BSONValue) -> BSONDocument {
    var copy = self
    copy.append(key, value)
    return copy
  }
}

extension BSONDocument: CustomStringConvertible {
  /// For tests and debuggers. Documents hold personal data and never go into logs.
  public var description: String {
    guard let fields = try? fields() else { return "(unusable)" }
    return "{" + fields.map { "\($0.key): \($0.value)" }.joined(separator: ", ") + "}"
  }
}
