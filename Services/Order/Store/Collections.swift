import Kernel
import Mongo
import OrderDomain

enum Collections {
  static let orders = "orders"
  static let orderProofs = "order_proofs"
  static let tickets = "tickets"
  /// One document per shopper, written by every creation: what makes creations of one shopper take turns.
  static let shopperLocks = "shopper_locks"
}

/// Names of indexes that code recognises in a duplicate-key failure, or names in a query. An index's name spells its
/// keys.
enum IndexNames {
  static let claim = "userId_1_dealId_1"
  static let externalOrderID = "externalOrderId_1"

  /// Of orders that wait for money: `requested` and `unfunded` have such an index.
  static func approvals(awaiting hold: FundsHold) -> String { "approvedAt_1__id_1_\(hold.rawValue)" }
}

extension BSONDocument {
  /// Fails with `MongoFailure.malformedDocument` on a value that this build does not know.
  func choice<Value: RawRepresentable<String>>(_ key: String, _ type: Value.Type = Value.self) throws -> Value {
    guard let value = Value(rawValue: try string(key)) else {
      throw MongoFailure.malformedDocument("`\(key)` has a value that is not known here")
    }
    return value
  }

  func optionalChoice<Value: RawRepresentable<String>>(
    _ key: String, _ type: Value.Type = Value.self
  ) throws -> Value? {
    guard let text = try optionalString(key) else { return nil }
    guard let value = Value(rawValue: text) else {
      throw MongoFailure.malformedDocument("`\(key)` has a value that is not known here")
    }
    return value
  }

  func code(_ key: String) throws -> PartyCode {
    guard let code = PartyCode(try string(key)) else { throw MongoFailure.malformedDocument("`\(key)` is no code") }
    return code
  }
}
