import IdentityDomain
import Kernel
import Mongo

/// Reading of domain values. A value that this version does not know is refused, never guessed.
extension BSONDocument {
  func choice<Value: RawRepresentable<String>>(_ key: String) throws(MongoFailure) -> Value {
    try string(key).parsed(key) { Value(rawValue: $0) }
  }

  func choices<Value: RawRepresentable<String>>(_ key: String) throws(MongoFailure) -> [Value] {
    var values: [Value] = []
    for text in try strings(key) { values.append(try text.parsed(key) { Value(rawValue: $0) }) }
    return values
  }

  func code(_ key: String) throws(MongoFailure) -> PartyCode {
    try string(key).parsed(key) { PartyCode($0) }
  }

  func optionalCode(_ key: String) throws(MongoFailure) -> PartyCode? {
    guard let text = try optionalString(key) else { return nil }
    return try text.parsed(key) { PartyCode($0) }
  }

  func codes(_ key: String) throws(MongoFailure) -> [PartyCode] {
    var values: [PartyCode] = []
    for text in try strings(key) { values.append(try text.parsed(key) { PartyCode($0) }) }
    return values
  }
}

extension String {
  /// The value that this text stands for. The text itself is not repeated: it may be personal.
  func parsed<Value>(_ key: String, as parse: (String) -> Value?) throws(MongoFailure) -> Value {
    guard let value = parse(self) else { throw .malformedDocument("`\(key)` has a value that is not known") }
    return value
  }
}
