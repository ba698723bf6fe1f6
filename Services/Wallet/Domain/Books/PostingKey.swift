import Kernel

/// The name of a posting for ever: repeating it is recognised by this key alone (DOMAIN 7.5).
///
/// Keys are formed from fields, here and nowhere else; no caller sends one.
public struct PostingKey: Hashable, Comparable, Sendable {
  public let text: String

  public init(stored text: String) {
    self.text = text
  }

  private init(_ parts: String...) {
    text = parts.joined(separator: ":")
  }

  /// One deposit per owner and reference.
  static func deposit(owner: UserID, ref: String) -> PostingKey {
    PostingKey("brand_deposit", owner.rawValue, ref)
  }

  /// One payment per brand, agency and reference, wherever it was made.
  static func agencyPayment(from brand: UserID, to agency: UserID, ref: String) -> PostingKey {
    PostingKey("brand_agency_payout", brand.rawValue, agency.rawValue, ref)
  }

  static func lock(_ hold: HoldNumber) -> PostingKey {
    PostingKey("order-lock", hold.order.rawValue, String(hold.seq))
  }

  static func release(_ hold: HoldNumber) -> PostingKey {
    PostingKey("order-release", hold.order.rawValue, String(hold.seq))
  }

  /// `voidedTries` tries of this settlement were refused for good; their keys stay refused, so the next has its own.
  static func settlement(of order: OrderID, seq: Int32, voidedTries: Int32 = 0) -> PostingKey {
    PostingKey("order-settle", order.rawValue, numbered(seq, voidedTries))
  }

  /// Takes the settlement of this number back; tries as for `settlement`.
  static func reversal(of settlement: SettlementNumber, voidedTries: Int32 = 0) -> PostingKey {
    PostingKey("order-unsettle", settlement.order.rawValue, numbered(settlement.seq, voidedTries))
  }

  private static func numbered(_ seq: Int32, _ voidedTries: Int32) -> String {
    voidedTries == 0 ? "\(seq)" : "\(seq)~\(voidedTries)"
  }

  static func payoutRequest(_ payout: PayoutID) -> PostingKey { PostingKey("payout_request", payout.rawValue) }
  static func payoutComplete(_ payout: PayoutID) -> PostingKey { PostingKey("payout_complete", payout.rawValue) }
  static func payoutFailed(_ payout: PayoutID) -> PostingKey { PostingKey("payout_failed", payout.rawValue) }
  static func payoutCancel(_ payout: PayoutID) -> PostingKey { PostingKey("payout_cancel", payout.rawValue) }

  /// The unique key of one leg. Injective even when a reference holds a `#`: the number follows the last one.
  func rowKey(_ number: Int) -> String { "\(text)#\(number)" }

  /// The unique key of the leg that carries the fingerprint.
  public var firstRowKey: String { rowKey(1) }

  // By bytes, as the database compares: Swift calls two spellings of "é" equal, and they would be one posting when
  // they meet in a batch and two when they do not.
  public static func == (left: PostingKey, right: PostingKey) -> Bool {
    var (left, right) = (left.text, right.text)
    return left.withUTF8 { left in right.withUTF8 { right in left.elementsEqual(right) } }
  }

  public func hash(into hasher: inout Hasher) {
    var text = text
    text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
  }

  public static func < (left: PostingKey, right: PostingKey) -> Bool {
    left.text.utf8.lexicographicallyPrecedes(right.text.utf8)
  }
}
