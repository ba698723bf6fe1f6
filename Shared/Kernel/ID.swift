/// The id of a `Subject`, a type of its own for each kind: an ObjectId, which everybody outside sees as 24 lower-case
/// hex characters.
public struct ID<Subject>: Hashable, Comparable, Sendable {
  public let value: ObjectID

  public init(_ value: ObjectID) {
    self.value = value
  }

  /// Nil unless `text` is 24 lower-case hex characters.
  public init?(_ text: String) {
    guard let value = ObjectID(text) else { return nil }
    self.value = value
  }

  /// Parses a field of a request. Fails with `VALIDATION_FAILED` naming `path`.
  public init(_ text: String, path: String) throws(Failure) {
    guard let value = ObjectID(text) else {
      throw .validation(path, "must be an id of 24 lower-case hex characters")
    }
    self.value = value
  }

  /// A new id, unique across processes; ids of one process ascend within a second.
  public static func generate(at now: Timestamp) -> ID { ID(.generate(at: now)) }

  /// A constant, such as the id that seed data fixes for a key. Any other text is a mistake in the program, and traps.
  public init(known text: String) {
    guard let value = ObjectID(text) else { preconditionFailure("\(text) is no id") }
    self.value = value
  }

  /// 24 lower-case hex characters.
  public var rawValue: String { value.hex }

  public static func < (left: ID, right: ID) -> Bool { left.value < right.value }
}

extension ID: CustomStringConvertible {
  public var description: String { rawValue }
}

public enum UserTag {}
public enum WalletTag {}
public enum CampaignTag {}
public enum DealTag {}
public enum OrderTag {}
public enum PayoutTag {}
public enum TransactionTag {}

public typealias UserID = ID<UserTag>
public typealias WalletID = ID<WalletTag>
public typealias CampaignID = ID<CampaignTag>
public typealias DealID = ID<DealTag>
public typealias OrderID = ID<OrderTag>
public typealias PayoutID = ID<PayoutTag>
public typealias TransactionID = ID<TransactionTag>
