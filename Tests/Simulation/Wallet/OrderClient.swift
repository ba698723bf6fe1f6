import Kernel
import WalletDomain

/// The order service as wallet sees it, for one order: which numbers it uses, and what it repeats (DOMAIN 7.4, 7.5, 8).
struct OrderClient {
  /// What is sent for an order, with all its numbers.
  private enum Message {
    case lock
    case release
    case settle(tries: Int32, resolve: Bool)
    case unsettle(tries: Int32, resolve: Bool)
  }

  private let number: Int
  private let terms: OrderTerms
  private(set) var isSettled = false
  private var holdSeq: Int32 = 1
  private var settlementSeq: Int32 = 1
  private var voidedSettlements: Int32 = 0
  private var voidedReversals: Int32 = 0
  /// Sent without a definite answer: nothing else is done with the order before there is one.
  private var pending: Message?
  /// Sent in this burst: whoever wants something of the order meanwhile sends the same again.
  private var current: Message?
  private var lastDone: Message?

  init(order number: Int) {
    self.number = number
    terms = Cast.terms(of: number)
  }

  var isPending: Bool { pending != nil }
  private var hold: HoldNumber { HoldNumber(order: Cast.order(number), seq: holdSeq) }
  private var settlement: SettlementNumber {
    SettlementNumber(order: Cast.order(number), seq: settlementSeq)
  }

  /// Nil when there is nothing to do.
  mutating func request(for wish: OrderWish) throws -> SimulatedRequest? {
    if wish == .misuse { return try misuse() }
    if let message = current ?? pending.map(Self.repeated) ?? message(for: wish) {
      current = message
      return try request(for: message)
    }
    return nil
  }

  private func message(for wish: OrderWish) -> Message? {
    switch wish {
    case .lock: isSettled ? nil : .lock
    case .release: isSettled ? nil : .release
    // Of a settled order it is a repeat, which must change nothing.
    case .settle: .settle(tries: voidedSettlements, resolve: false)
    case .unsettle: isSettled ? .unsettle(tries: voidedReversals, resolve: false) : nil
    case .misuse: nil
    }
  }

  private func request(for message: Message) throws -> SimulatedRequest {
    switch message {
    case .lock: .lock(hold, terms)
    case .release: .release(hold)
    case .settle(let tries, let resolve):
      try .settle(settlement, hold, terms, tries: tries, resolve: resolve)
    case .unsettle(let tries, let resolve):
      try .unsettle(settlement, newHoldSeq: holdSeq + 1, terms, tries: tries, resolve: resolve)
    }
  }

  /// The next attempt after silence.
  private static func repeated(_ message: Message) -> Message {
    switch message {
    case .lock, .release: message
    case .settle(let tries, _): .settle(tries: tries, resolve: true)
    case .unsettle(let tries, _): .unsettle(tries: tries, resolve: true)
    }
  }

  /// The key of what was done last, with other amounts.
  private func misuse() throws -> SimulatedRequest? {
    let other = Cast.terms(of: number, extra: 1)
    switch lastDone {
    case .lock: return .lock(hold, other)
    case .settle(let tries, _):
      return try .settle(settlement, hold, other, tries: tries, resolve: false)
    case .release, .unsettle, nil: return nil
    }
  }

  /// What came of the request that was sent in this burst.
  mutating func learn(_ answer: SimulatedAnswer) {
    guard let message = current else { return }
    current = nil
    pending = nil
    switch (message, answer) {
    // A hold is asked for again at leisure; whoever needs its outcome meanwhile names its number.
    case (.lock, .unknown): break
    case (_, .unknown): pending = message
    case (.release, .done), (.release, .refused(.holdNotFound)):
      holdSeq += 1
      lastDone = nil
    case (.settle, .done):
      isSettled = true
      lastDone = message
    case (.unsettle, .done):
      isSettled = false
      holdSeq += 1
      settlementSeq += 1
      voidedSettlements = 0
      voidedReversals = 0
      // The new hold is there already.
      lastDone = .lock
    case (.lock, .done): lastDone = message
    case (.settle(_, resolve: true), .refused): voidedSettlements += 1
    case (.unsettle(_, resolve: true), .refused): voidedReversals += 1
    case (_, .refused): break
    }
  }
}

enum OrderWish: String, Sendable {
  case lock, release, settle, unsettle
  /// A posted key is used again for something else.
  case misuse
}
