import Kernel

/// One movement inside a posting: into or out of a bucket, or across the border of the system.
public struct Leg: Hashable, Sendable {
  public enum Place: Hashable, Sendable {
    case external
    case bucket(Bucket, of: UserID)
  }

  public let place: Place
  public let direction: Direction
  public let amount: Money
  public let type: TransactionType
  /// Describes money that did not move.
  public let isMemo: Bool
  public let links: Links
  /// Facts for people, at most 4 KiB.
  public let metadata: [String: String]

  /// What the leg is about; nil where it does not apply.
  public struct Links: Hashable, Sendable {
    public var order: OrderID?
    /// On the owner's leg only, so that a campaign's statement counts each order once.
    public var campaign: CampaignID?
    public var payout: PayoutID?
    public var from: UserID?
    public var to: UserID?
    public var settlementSeq: Int32?

    public init(
      order: OrderID? = nil, campaign: CampaignID? = nil, payout: PayoutID? = nil, from: UserID? = nil,
      to: UserID? = nil, settlementSeq: Int32? = nil
    ) {
      self.order = order
      self.campaign = campaign
      self.payout = payout
      self.from = from
      self.to = to
      self.settlementSeq = settlementSeq
    }
  }

  /// `isRecord` describes a payment that was made elsewhere: no balance changes, whatever the place.
  public init(
    _ direction: Direction, _ amount: Money, _ place: Place, as type: TransactionType, links: Links = Links(),
    metadata: [String: String] = [:], isRecord: Bool = false
  ) {
    self.direction = direction
    self.amount = amount
    self.place = place
    self.type = type
    switch place {
    case .bucket(.pending, _): isMemo = true
    case .external, .bucket: isMemo = isRecord
    }
    self.links = links
    self.metadata = metadata
  }

  static func debit(
    _ amount: Money, _ place: Place, as type: TransactionType, links: Links = Links(), metadata: [String: String] = [:]
  ) -> Leg {
    Leg(.debit, amount, place, as: type, links: links, metadata: metadata)
  }

  static func credit(
    _ amount: Money, _ place: Place, as type: TransactionType, links: Links = Links(), metadata: [String: String] = [:]
  ) -> Leg {
    Leg(.credit, amount, place, as: type, links: links, metadata: metadata)
  }
}

/// Legs that happen together or not at all. Debits come before credits; legs of amount zero are left out.
public struct Posting: Hashable, Sendable {
  public let key: PostingKey
  public let fingerprint: Fingerprint
  public let legs: [Leg]

  public init(_ key: PostingKey, _ fingerprint: Fingerprint, legs: [Leg]) {
    self.key = key
    self.fingerprint = fingerprint
    self.legs = legs.filter { $0.amount != .zero }
    assert(self.legs.allSatisfy { $0.amount > .zero }, "a command let a negative amount through")
  }
}

/// What a posting was asked to do: type, parties and amounts. Two requests under one key must agree in it.
public struct Fingerprint: Hashable, Sendable {
  public let text: String

  public init(stored text: String) {
    self.text = text
  }

  init(_ type: TransactionType, parties: [UserID] = [], amounts: [Money] = []) {
    self.init(type, parties, amounts, [])
  }

  /// `further` holds what tells two requests of one key apart besides parties and amounts.
  init(_ type: TransactionType, _ parties: [UserID], _ amounts: [Money], _ further: [String]) {
    text =
      ([type.rawValue] + parties.map(\.rawValue) + amounts.map { String($0.paise) } + further).joined(separator: ":")
  }
}
