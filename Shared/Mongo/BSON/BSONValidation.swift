/// Complete checks of documents, done once where they enter or leave.
enum BSONValidation {
  /// MongoDB refuses deeper documents, and recursion here stays shallow.
  static let depthMax = 100
  /// What the server stores in one document (its `maxBsonObjectSize`).
  static let storedBytesMax = 16 << 20

  static func isSound(_ bytes: [UInt8]) -> Bool {
    bytes.withUnsafeBytes { isSound($0, depth: 1) }
  }

  private static func isSound(_ buffer: UnsafeRawBufferPointer, depth: Int) -> Bool {
    guard depth <= depthMax, var scanner = BSONScanner(buffer) else { return false }
    while true {
      switch scanner.next() {
      case .element(let element):
        guard scanner.hasTextKey(element) else { return false }
        switch element.type {
        case 0x03, 0x04:
          guard isSound(UnsafeRawBufferPointer(rebasing: buffer[element.value]), depth: depth + 1) else {
            return false
          }
        case 0x02: if !scanner.hasTextValue(element) { return false }
        case 0x08: if buffer[element.value.lowerBound] > 1 { return false }
        default: break
        }
      case .end: return true
      case .malformed: return false
      }
    }
  }

  /// True if a field name at any depth begins with `$`. Stored documents must not: read back into a filter or an
  /// update, such a name would be an operator.
  static func hasOperators(_ document: BSONDocument) -> Bool {
    document.bytes.withUnsafeBytes { hasOperators($0, depth: 1) }
  }

  /// The same for the values that `$set`, `$setOnInsert` and a replacement would store.
  static func storesOperators(update: BSONDocument) -> Bool {
    update.bytes.withUnsafeBytes { buffer in
      guard var scanner = BSONScanner(buffer) else { return true }
      while case .element(let element) = scanner.next() {
        let key = scanner.key(element) ?? ""
        let stores = key == "$set" || key == "$setOnInsert" || !key.hasPrefix("$")
        guard stores, element.type == 0x03 || element.type == 0x04 else { continue }
        if hasOperators(UnsafeRawBufferPointer(rebasing: buffer[element.value]), depth: 2) { return true }
      }
      return false
    }
  }

  private static func hasOperators(_ buffer: UnsafeRawBufferPointer, depth: Int) -> Bool {
    guard depth <= depthMax, var scanner = BSONScanner(buffer) else { return true }
    while true {
      switch scanner.next() {
      case .element(let element):
        if !element.key.isEmpty, buffer[element.key.lowerBound] == UInt8(ascii: "$") { return true }
        guard element.type == 0x03 || element.type == 0x04 else { continue }
        if hasOperators(UnsafeRawBufferPointer(rebasing: buffer[element.value]), depth: depth + 1) { return true }
      case .end: return false
      case .malformed: return true
      }
    }
  }
}
