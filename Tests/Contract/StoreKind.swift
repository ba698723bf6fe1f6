import TestKit
import Testing

/// The implementations that a store's contract is checked on.
enum StoreKind: String, CaseIterable, CustomTestStringConvertible, Sendable {
  case memory
  case mongo

  /// Without `MONGODB_URI` only the one in memory: a contract test never starts a server.
  static var available: [StoreKind] {
    TestMongo.isAvailable ? allCases : [.memory]
  }

  var testDescription: String { rawValue }
}
