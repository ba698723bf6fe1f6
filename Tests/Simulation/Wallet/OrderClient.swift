import Kernel
import WalletDomain

/// The order service as wallet sees it, for one order: which numbers it uses, and what it repeats (DOMAIN 7.4, 7.5, 8).
struct OrderClient {
  private let number: Int
  private(set) var isSettled = false
  private var holdSeq: Int32 = 1
  private var settlementSeq: Int32 = 1
  private var voidedTries: Int32 = 0
  /// Sent without a definite answer: nothing else is done with the order before there is one.
  private(set) var pending: SimulatedRequest?
  /// Sent in this burst: whoever wants something of the order meanwhile sends the same again.
  private var current: SimulatedRequest?
  private var lastDone: SimulatedRequest?

  init(order number: Int) {
    self.number = number
  }

  private var order: OrderID { Cast.order(number) }
  private var hold: HoldNumber { HoldNumber(order: order, seq: holdSeq) }

  /// Nil when there is nothing to do.
  mutating func request(for wish: Wish) throws -> SimulatedRequest? {
    if case .misuse = wish { return try misuse() }
    if let current { return current }
    if current == nil, let pending {
      current = try pending.repeated()
      return current
    }
    switch wish {
    case .lock where !isSettled:
      current = .lock(LockOrderFunds(number: hold, terms: try Cast.terms(of: number), actor: .system))
    case .release where !isSettled:
      current = .release(ReleaseOrderFunds(number: hold, reason: "cancelled", actor: .system))
    case .settle:
      // Of a settled order it is a repeat, which must change nothing.
      current = .settle(try settlement())
    case .lock, .release, .misuse, .ensureWallet, .deposit: return nil
    }
    return current
  }

  private func settlement(extra: Int64 = 0) throws -> SettleOrderFunds {
    try SettleOrderFunds(
      order: order, seq: settlementSeq, holdSeq: holdSeq, terms: try Cast.terms(of: number, extra: extra),
      resolve: false, voidedTries: voidedTries, actor: .system)
  }

  /// The key of what was done last, with other amounts.
  private func misuse() throws -> SimulatedRequest? {
    switch lastDone {
    case .lock(let command):
      .lock(
        LockOrderFunds(number: command.number, terms: try Cast.terms(of: number, extra: 1), actor: .system))
    case .settle(let command):
      .settle(
        try SettleOrderFunds(
          order: command.order, seq: command.seq, holdSeq: holdSeq, terms: try Cast.terms(of: number, extra: 1),
          resolve: false, voidedTries: command.voidedTries, actor: .system))
    case .release, .deposit, .ensureWallet, nil: nil
    }
  }

  /// What came of the request that was sent in this burst.
  mutating func learn(_ answer: SimulatedAnswer) {
    guard let request = current else { return }
    current = nil
    pending = nil
    switch (request, answer) {
    // A hold is asked for again at leisure; whoever needs its outcome meanwhile names its number.
    case (.lock, .unknown): break
    case (_, .unknown): pending = request
    case (.release, .done), (.release, .refused(.holdNotFound)):
      holdSeq += 1
      lastDone = nil
    case (.settle, .done):
      isSettled = true
      lastDone = request
    case (.settle(let command), .refused) where command.resolve: voidedTries += 1
    case (_, .done): lastDone = request
    case (_, .refused): break
    }
  }
}

extension SimulatedRequest {
  /// The next attempt after silence.
  fileprivate func repeated() throws -> SimulatedRequest {
    guard case .settle(let command) = self else { return self }
    return .settle(
      try SettleOrderFunds(
        order: command.order, seq: command.seq, holdSeq: command.hold?.seq ?? 0, terms: command.terms, resolve: true,
        voidedTries: command.voidedTries, actor: command.actor))
  }
}
