public import Kernel

/// Asks wallet for the money of an approved order and stores what it said (DOMAIN 7.4).
public struct FundsHolding: Sendable {
  let store: any OrderStore
  let funds: any WalletFunds
  let directory: any PartyDirectory
  let clock: any WallClock

  public init(
    store: any OrderStore, funds: any WalletFunds, directory: any PartyDirectory, clock: any WallClock
  ) {
    self.store = store
    self.funds = funds
    self.directory = directory
    self.clock = clock
  }

  /// Tries once, for whoever approved the order. Returns the order as it is then: unchanged when wallet has not
  /// answered, because the approval stands without the money and the reconciler asks again. `answer` encodes the
  /// response that the call is remembered by.
  public func request(
    for order: Order, key: RequestKey? = nil, answer: (Order) throws -> [UInt8] = { _ in [] }
  ) async throws -> Order {
    guard let hold = try await ask(for: order), hold != order.fundsHold else { return order }
    let change = Review.recordHold(hold, on: order, now: clock.now())
    let effect: RequestEffect =
      if let key { .answer(key, .response(try answer(change.after))) } else { .none }
    return try await store.commit(change, effect) == .committed ? change.after : order
  }

  /// The same for the sweeps. False while wallet is silent.
  func requestAgain(for order: Order) async throws -> Bool {
    guard let hold = try await ask(for: order) else { return false }
    guard hold != order.fundsHold else { return true }
    _ = try await store.commit(Review.recordHold(hold, on: order, now: clock.now()), .none)
    return true
  }

  /// Nil when wallet has not answered. An order that waits for nothing, or whose mediator is gone, stays as it is.
  private func ask(for order: Order) async throws -> FundsHold? {
    guard order.fundsHold == .requested || order.fundsHold == .unfunded,
      let mediator = try await directory.lineage(of: order.mediatorCode)?.subject
    else { return order.fundsHold }
    let lock = FundsLock(funds: OrderFunds(order, mediatorID: mediator.userID), holdSeq: order.holdSeq)
    return Self.hold(
      after: await RemoteReply { try await funds.lock(lock, as: order.holdRequestedBy ?? .system) })
  }

  /// Nil while wallet's answer is unknown. An owner without a wallet cannot pay either, until there is one.
  static func hold(after reply: RemoteReply) -> FundsHold? {
    switch reply {
    case .done: .held
    case .refused(let failure) where failure.code == .holdClosed: .released
    case .refused: .unfunded
    case .unknown: nil
    }
  }
}
