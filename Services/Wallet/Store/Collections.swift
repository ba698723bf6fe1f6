import Kernel
import Mongo

enum Collections {
  static let wallets = "wallets"
  static let transactions = "transactions"
  static let holds = "holds"
  static let payouts = "payouts"
  static let voidedPostings = "voided_postings"
  /// One document: which process writes the books, and how many batches it has committed.
  static let writer = "writer"
}

extension BSONDocument {
  /// Fails with `MongoFailure.malformedDocument` on a value that this build does not know.
  func choice<Value: RawRepresentable<String>>(_ key: String, _ type: Value.Type = Value.self) throws -> Value {
    guard let value = Value(rawValue: try string(key)) else {
      throw MongoFailure.malformedDocument("`\(key)` has a value that is not known here")
    }
    return value
  }

  /// Leaves an absent value out: what is not there costs no byte, and no entry of a partial index.
  mutating func appendIfPresent(_ key: String, _ value: BSONValue?) {
    if let value { append(key, value) }
  }
}
