internal import HTTP2
internal import Messages

/// Names and values that travel beside the messages of a call: an ordered multimap with lower-case names.
///
/// A name that ends in `-bin` carries bytes (`binary(_:)`, `appendBinary`); every other value is printable ASCII.
/// Names that belong to HTTP/2 or to gRPC itself are neither visible nor sendable: `violation` names the first
/// such entry, and the runtime refuses to send it.
public struct Metadata: Sendable, Equatable, ExpressibleByDictionaryLiteral {
  private(set) var fields: HeaderList

  public init() {
    fields = HeaderList()
  }

  public init(dictionaryLiteral elements: (String, String)...) {
    self.init()
    for (name, value) in elements { append(name, value) }
  }

  /// What a peer sent. Reserved fields stay in the list and are skipped by every accessor.
  init(received fields: HeaderList) {
    self.fields = fields
  }

  /// The first value of a name.
  public subscript(name: String) -> String? {
    Metadata.isReserved(name) ? nil : fields.first(name)
  }

  /// All values of a name, in the order they were sent.
  public func all(_ name: String) -> [String] {
    Metadata.isReserved(name) ? [] : fields.all(name)
  }

  /// All values of a `-bin` name; nil if one of them is not base64.
  public func binary(_ name: String) -> [[UInt8]]? {
    var values: [[UInt8]] = []
    for text in all(name) {
      // One field may carry several values, joined by commas (gRPC over HTTP2, "Custom-Metadata").
      for part in text.split(separator: ",", omittingEmptySubsequences: false) {
        guard let bytes = Base64.decode(String(part)) else { return nil }
        values.append(bytes)
      }
    }
    return values
  }

  /// Every visible entry, in the order it was sent.
  public var entries: [(name: String, value: String)] {
    var result: [(name: String, value: String)] = []
    for field in fields {
      let name = fields.text(field.name)
      if !Metadata.isReserved(name) { result.append((name, fields.text(field.value))) }
    }
    return result
  }

  public mutating func append(_ name: String, _ value: String) {
    fields.append(name.lowercased(), value)
  }

  /// Adds bytes under a name that ends in `-bin`. Written without padding, as gRPC advises.
  public mutating func appendBinary(_ name: String, _ value: [UInt8]) {
    precondition(name.hasSuffix("-bin"), "binary metadata is named -bin")
    fields.append(name.lowercased(), Metadata.unpadded(value))
  }

  static func unpadded(_ bytes: [UInt8]) -> String {
    var text = Base64.encode(bytes)
    while text.last == "=" { text.removeLast() }
    return text
  }

  public mutating func append(contentsOf other: Metadata) {
    fields.append(contentsOf: other.fields)
  }

  /// Puts one value in the place of all values of the name.
  public mutating func replace(_ name: String, _ value: String) {
    let name = name.lowercased()
    var kept = HeaderList()
    for field in fields where !fields.matches(field.name, text: name) {
      kept.append(fields.text(field.name), fields.text(field.value))
    }
    kept.append(name, value)
    fields = kept
  }

  public var isEmpty: Bool { fields.isEmpty }

  /// Why this metadata must not be sent; nil if it may be.
  var violation: String? {
    guard !isEmpty else { return nil }
    for field in fields {
      let name = fields.text(field.name)
      if Metadata.isReserved(name) { return "metadata name '\(name)' is reserved" }
      guard !name.isEmpty, name.utf8.allSatisfy(Metadata.isNameByte) else {
        return "metadata name '\(name)' has a character outside [0-9a-z_.-]"
      }
      let isText = fields.bytes[field.value].allSatisfy { (0x20...0x7E).contains($0) }
      if !isText { return "the value of metadata '\(name)' is not printable ASCII" }
    }
    return nil
  }

  static func isReserved(_ name: String) -> Bool {
    if name.hasPrefix(":") || name.hasPrefix("grpc-") { return true }
    switch name {
    case "content-type", "te", "connection", "host", "content-length", "transfer-encoding", "upgrade": return true
    default: return false
    }
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"),
      UInt8(ascii: "-"), UInt8(ascii: "."):
      true
    default: false
    }
  }
}
