public import Kernel

/// The one thing bought, as the deal described it.
public struct OrderItem: Hashable, Sendable {
  public let title: String
  public let image: String
  public let platform: String
  public let brandName: String
  public let dealType: DealType
  public let quantity: Int32
  /// What the shopper says to have paid for one.
  public let unitPrice: Money

  public init(
    title: String, image: String, platform: String, brandName: String, dealType: DealType, quantity: Int32,
    unitPrice: Money
  ) {
    self.title = title
    self.image = image
    self.platform = platform
    self.brandName = brandName
    self.dealType = dealType
    self.quantity = quantity
    self.unitPrice = unitPrice
  }

  /// What the deal says, without what the shopper has said.
  var unbought: OrderItem {
    OrderItem(
      title: title, image: image, platform: platform, brandName: brandName, dealType: dealType, quantity: 1,
      unitPrice: .zero)
  }
}

/// The current proof of one type; absent types have none.
public struct ProofState: Hashable, Sendable {
  public let version: Int32
  public let submittedAt: Timestamp
  /// Nil for a link.
  public let sha256: String?

  public init(version: Int32, submittedAt: Timestamp, sha256: String?) {
    self.version = version
    self.submittedAt = submittedAt
    self.sha256 = sha256
  }
}

/// A step that was found good.
public struct VerificationState: Hashable, Sendable {
  public let verifiedAt: Timestamp
  /// A user id, or `SYSTEM_AI`.
  public let verifiedBy: String
  public let autoVerified: Bool
  /// 0 to 100; only of automatic verifications.
  public let confidenceScore: Int32?

  public init(verifiedAt: Timestamp, verifiedBy: String, autoVerified: Bool = false, confidenceScore: Int32? = nil) {
    self.verifiedAt = verifiedAt
    self.verifiedBy = verifiedBy
    self.autoVerified = autoVerified
    self.confidenceScore = confidenceScore
  }
}

/// What is known about the proof of one step besides the picture itself; visible to reviewers.
public struct ProofVerdict: Hashable, Sendable {
  /// Another order that carries the same picture.
  public let duplicateOf: OrderID?

  public init(duplicateOf: OrderID?) { self.duplicateOf = duplicateOf }
}

public struct Rejection: Hashable, Sendable {
  public let type: ProofType
  public let reason: String
  public let at: Timestamp
  public let by: String
  public let final: Bool

  public init(type: ProofType, reason: String, at: Timestamp, by: String, final: Bool) {
    self.type = type
    self.reason = reason
    self.at = at
    self.by = by
    self.final = final
  }
}

public struct MissingProofRequest: Hashable, Sendable {
  public let type: ProofType
  public let note: String?
  public let requestedAt: Timestamp
  public let requestedBy: String

  public init(type: ProofType, note: String?, requestedAt: Timestamp, requestedBy: String) {
    self.type = type
    self.note = note
    self.requestedAt = requestedAt
    self.requestedBy = requestedBy
  }
}

/// The last settlement. `seq` outlives a reversal, so that every settlement has a number of its own.
public struct Settlement: Hashable, Sendable {
  public let seq: Int32
  public let mode: SettlementMode
  public let ref: String?
  public let settledAt: Timestamp
  public let settledBy: String

  public init(seq: Int32, mode: SettlementMode, ref: String?, settledAt: Timestamp, settledBy: String) {
    self.seq = seq
    self.mode = mode
    self.ref = ref
    self.settledAt = settledAt
    self.settledBy = settledBy
  }
}

/// Something that happened to an order, as its parties may read it. Never carries personal data.
public struct OrderEvent: Hashable, Sendable {
  public let type: OrderEventType
  public let at: Timestamp
  public let actorUserID: String
  public let metadata: [String: String]

  public init(type: OrderEventType, at: Timestamp, actorUserID: String, metadata: [String: String]) {
    self.type = type
    self.at = at
    self.actorUserID = actorUserID
    self.metadata = metadata
  }
}

/// A picture on its way into `order_proofs`.
public struct NewProof: Hashable, Sendable {
  public let orderID: OrderID
  public let type: ProofType
  public let version: Int32
  public let image: ProofImage
  public let submittedBy: UserID
  public let submittedAt: Timestamp

  public init(
    orderID: OrderID, type: ProofType, version: Int32, image: ProofImage, submittedBy: UserID, submittedAt: Timestamp
  ) {
    self.orderID = orderID
    self.type = type
    self.version = version
    self.image = image
    self.submittedBy = submittedBy
    self.submittedAt = submittedAt
  }
}
