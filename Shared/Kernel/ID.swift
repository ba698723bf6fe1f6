/// The id of a `Subject`, a type of its own for each kind: 24 lower-case hex characters (an ObjectId).
public struct ID<Subject>: Hashable, Comparable, Sendable {
  public let rawValue: String

  /// Nil unless `text` is 24 lower-case hex characters.
  public init?(_ text: String) {
    guard ObjectIDText.isValid(text) else { return nil }
    rawValue = text
  }

  /// Parses a field of a request. Fails with `VALIDATION_FAILED` naming `path`.
  public init(_ text: String, path: String) throws(Failure) {
    guard ObjectIDText.isValid(text) else {
      throw .validation(path, "must be an id of 24 lower-case hex characters")
    }
    rawValue = text
  }

  /// A new id, unique across processes; ids of one process ascend within a second.
  public static func generate(at now: Timestamp) -> ID {
    ID(unchecked: ObjectIDText.generate(at: now))
  }

  /// The id that seed data fixes for `key`, or any other text already known to be valid.
  public init(unchecked text: String) {
    rawValue = text
  }

  public static func < (left: ID, right: ID) -> Bool { left.rawValue < right.rawValue }
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
