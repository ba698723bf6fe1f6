import Kernel

/// Reading by name. A missing field, another type or a value out of range is refused with
/// `MongoFailure.malformedDocument`; the `optional` forms take an absent field and an explicit null for nil.
extension BSONDocument {
  public func value(_ key: String) throws(MongoFailure) -> BSONValue? {
    switch lookUp(key) {
    case .found(let value): return value
    case .absent: return nil
    case .malformed: throw .malformedDocument("`\(key)` cannot be read")
    }
  }

  public func has(_ key: String) -> Bool {
    if case .found = lookUp(key) { return true }
    return false
  }

  public func string(_ key: String) throws(MongoFailure) -> String {
    try required(key, try optionalString(key))
  }

  public func optionalString(_ key: String) throws(MongoFailure) -> String? {
    switch try present(key) {
    case .string(let text): return text
    case nil: return nil
    case let other?: throw Self.mismatch(key, other, "string")
    }
  }

  public func int64(_ key: String) throws(MongoFailure) -> Int64 {
    try required(key, try optionalInt64(key))
  }

  public func optionalInt64(_ key: String) throws(MongoFailure) -> Int64? {
    switch try present(key) {
    case .int64(let number): return number
    case .int32(let number): return Int64(number)
    case nil: return nil
    case let other?: throw Self.mismatch(key, other, "int64")
    }
  }

  public func int32(_ key: String) throws(MongoFailure) -> Int32 {
    try required(key, try optionalInt32(key))
  }

  public func optionalInt32(_ key: String) throws(MongoFailure) -> Int32? {
    guard let number = try optionalInt64(key) else { return nil }
    guard let narrow = Int32(exactly: number) else { throw .malformedDocument("`\(key)` does not fit int32") }
    return narrow
  }

  public func money(_ key: String) throws(MongoFailure) -> Money {
    Money(paise: try int64(key))
  }

  public func optionalMoney(_ key: String) throws(MongoFailure) -> Money? {
    try optionalInt64(key).map { Money(paise: $0) }
  }

  public func double(_ key: String) throws(MongoFailure) -> Double {
    switch try present(key) {
    case .double(let number): return number
    case .int32(let number): return Double(number)
    case .int64(let number): return Double(number)
    case nil: throw Self.missing(key)
    case let other?: throw Self.mismatch(key, other, "double")
    }
  }

  public func bool(_ key: String) throws(MongoFailure) -> Bool {
    try required(key, try optionalBool(key))
  }

  public func optionalBool(_ key: String) throws(MongoFailure) -> Bool? {
    switch try present(key) {
    case .bool(let flag): return flag
    case nil: return nil
    case let other?: throw Self.mismatch(key, other, "bool")
    }
  }

  public func objectID(_ key: String) throws(MongoFailure) -> ObjectID {
    try required(key, try optionalObjectID(key))
  }

  public func optionalObjectID(_ key: String) throws(MongoFailure) -> ObjectID? {
    switch try present(key) {
    case .objectID(let id): return id
    case nil: return nil
    case let other?: throw Self.mismatch(key, other, "objectId")
    }
  }

  public func id<Subject>(
    _ key: String, as _: Subject.Type = Subject.self
  ) throws(MongoFailure) -> ID<Subject> {
    ID(try objectID(key))
  }

  public func optionalID<Subject>(
    _ key: String, as _: Subject.Type = Subject.self
  ) throws(MongoFailure) -> ID<Subject>? {
    try optionalObjectID(key).map { ID($0) }
  }

  public func datetime(_ key: String) throws(MongoFailure) -> Timestamp {
    try required(key, try optionalDatetime(key))
  }

  public func optionalDatetime(_ key: String) throws(MongoFailure) -> Timestamp? {
    switch try present(key) {
    case .datetime(let time): return time
    case nil: return nil
    case let other?: throw Self.mismatch(key, other, "date")
    }
  }

  public func binary(_ key: String) throws(MongoFailure) -> [UInt8] {
    try required(key, try optionalBinary(key))
  }

  public func optionalBinary(_ key: String) throws(MongoFailure) -> [UInt8]? {
    switch try present(key) {
    case .binary(let data): return data
    case nil: return nil
    case let other?: throw Self.mismatch(key, other, "binary")
    }
  }

  public func document(_ key: String) throws(MongoFailure) -> BSONDocument {
    try required(key, try optionalDocument(key))
  }

  public func optionalDocument(_ key: String) throws(MongoFailure) -> BSONDocument? {
    switch try present(key) {
    case .document(let document): return document
    case nil: return nil
    case let other?: throw Self.mismatch(key, other, "document")
    }
  }

  public func array(_ key: String) throws(MongoFailure) -> [BSONValue] {
    switch try present(key) {
    case .array(let values): return values
    case nil: throw Self.missing(key)
    case let other?: throw Self.mismatch(key, other, "array")
    }
  }

  public func documents(_ key: String) throws(MongoFailure) -> [BSONDocument] {
    var documents: [BSONDocument] = []
    for value in try array(key) {
      guard case .document(let document) = value else { throw Self.mismatch("\(key)[]", value, "document") }
      documents.append(document)
    }
    return documents
  }

  public func strings(_ key: String) throws(MongoFailure) -> [String] {
    var texts: [String] = []
    for value in try array(key) {
      guard case .string(let text) = value else { throw Self.mismatch("\(key)[]", value, "string") }
      texts.append(text)
    }
    return texts
  }

  public func ids<Subject>(
    _ key: String, as _: Subject.Type = Subject.self
  ) throws(MongoFailure) -> [ID<Subject>] {
    var ids: [ID<Subject>] = []
    for value in try array(key) {
      guard case .objectID(let id) = value else { throw Self.mismatch("\(key)[]", value, "objectId") }
      ids.append(ID(id))
    }
    return ids
  }

  /// All fields in order.
  public func fields() throws(MongoFailure) -> [(key: String, value: BSONValue)] {
    var fields: [(key: String, value: BSONValue)] = []
    let isSound = bytes.withUnsafeBytes { buffer in
      guard var scanner = BSONScanner(buffer) else { return false }
      while true {
        switch scanner.next() {
        case .element(let element):
          guard let key = scanner.key(element), let value = scanner.decode(element) else { return false }
          fields.append((key, value))
        case .end: return true
        case .malformed: return false
        }
      }
    }
    guard isSound else { throw .malformedDocument("not a BSON document") }
    return fields
  }
}

extension BSONDocument {
  private enum LookUp {
    case found(BSONValue)
    case absent
    case malformed
  }

  private func lookUp(_ key: String) -> LookUp {
    var key = key
    return key.withUTF8 { name in
      bytes.withUnsafeBytes { buffer in
        guard var scanner = BSONScanner(buffer) else { return .malformed }
        while true {
          switch scanner.next() {
          case .element(let element):
            guard scanner.hasKey(element, name) else { continue }
            return scanner.decode(element).map { .found($0) } ?? .malformed
          case .end: return .absent
          case .malformed: return .malformed
          }
        }
      }
    }
  }

  /// Nil for absent and null.
  private func present(_ key: String) throws(MongoFailure) -> BSONValue? {
    guard let value = try value(key), value != .null else { return nil }
    return value
  }

  private func required<Value>(_ key: String, _ value: Value?) throws(MongoFailure) -> Value {
    guard let value else { throw Self.missing(key) }
    return value
  }

  private static func missing(_ key: String) -> MongoFailure {
    .malformedDocument("`\(key)` is missing")
  }

  private static func mismatch(_ key: String, _ value: BSONValue, _ wanted: String) -> MongoFailure {
    .malformedDocument("`\(key)` is \(value.typeName), not \(wanted)")
  }
}
