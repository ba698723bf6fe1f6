import Access
import Kernel
public import Messages
import OrderDomain
public import RPC

extension OrderService {
  public func settleOrder(
    _ request: OrderV1.SettleOrderRequest, _ context: CallContext
  ) async throws -> OrderV1.SettleOrderResponse {
    let viewer = Viewer(try context.principal())
    let command = try SettlementRequest(request)
    try SettlementRules.requireRole(viewer, for: command)
    let key = try RequestKey(request, context)
    return try await once(key, startsMax: 2) { key in
      try await resumeSettlement(request.orderId, key)
    } start: {
      try await settle(request.orderId, command, viewer, context.actor, key)
    }
  }

  /// Nil when another writer was faster.
  private func settle(
    _ orderID: String, _ command: SettlementRequest, _ viewer: Viewer, _ actor: Actor, _ key: RequestKey?
  ) async throws -> OrderV1.SettleOrderResponse? {
    let order = try await findOrder(orderID)
    try Review.requireScope(viewer, on: order)
    let parties = try await directory.parties(of: order, actedOnBy: viewer)
    let verdict = try SettlementRules.decide(
      command, on: order, by: viewer, actor: actor, parties: parties,
      openTickets: try await store.openTickets(on: order.id), key: key, now: clock.now())
    switch verdict {
    case .settle(let change):
      let effect = key.map(RequestEffect.begin) ?? .none
      guard try await store.commit(change, effect) == .committed else { return nil }
      return try await drive(change.after)
    case .frozenDispute(let change, let failure):
      let effect: RequestEffect = key.map { .answer($0, .failure(Refusal(failure))) } ?? .none
      guard try await store.commit(change, effect) == .committed else { return nil }
      throw failure
    }
  }

  /// Goes on where the earlier call with this key stopped. Nil when its saga has ended.
  private func resumeSettlement(_ orderID: String, _ key: RequestKey) async throws -> OrderV1.SettleOrderResponse? {
    let order = try await findOrder(orderID)
    guard let saga = order.pendingSaga, case .settling = saga.plan, saga.request == key else { return nil }
    guard let claimed = try await runner.claim(order) else {
      try await runner.awaitEnd(of: order)
      return nil
    }
    return try await drive(claimed)
  }

  private func drive(_ order: Order) async throws -> OrderV1.SettleOrderResponse {
    let ending = try await SettleOrderSaga(runner).drive(order)
    var response = OrderV1.SettleOrderResponse(ending.order, ending.outcome)
    response.replayed = ending.observed
    return response
  }
}

extension SettlementRequest {
  init(_ request: OrderV1.SettleOrderRequest) throws(Failure) {
    let mode: OrderDomain.SettlementMode
    switch request.mode {
    case nil, .unspecified: mode = .wallet
    case let given?:
      guard let known = given.stored.flatMap(OrderDomain.SettlementMode.init(rawValue:)) else {
        throw .validation("mode", "must be wallet or external")
      }
      mode = known
    }
    self.init(mode: mode, ref: request.settlementRef, overrideCooling: request.overrideCooling ?? false)
  }
}
