public import Kernel

/// Finishes what crashed or unanswered calls have left behind. Safe to run in every replica at once: whoever takes a
/// saga over first writes that down, and the others lose that write.
public struct Reconciler: Sendable {
  let runner: SagaRunner
  let holding: FundsHolding
  /// Hears of every order that could not be helped this time.
  let report: @Sendable (OrderID, any Error) -> Void

  /// Orders looked at per sweep; the rest wait for the next.
  static let batchMax = 100

  public init(
    runner: SagaRunner, holding: FundsHolding, report: @escaping @Sendable (OrderID, any Error) -> Void
  ) {
    self.runner = runner
    self.holding = holding
    self.report = report
  }

  /// Sagas that nobody drives any more, holds that wallet never answered, and reservations that came too late.
  public func sweepSagas() async throws {
    let now = runner.clock.now()
    let abandoned = now.advanced(by: .zero - SagaTimes.abandonedAfter)
    for order in try await runner.store.abandonedSagas(before: abandoned, limit: Self.batchMax) {
      await attempt(order) { try await resume(order) }
    }
    for order in try await runner.store.orders(awaiting: .requested, changedBefore: abandoned, limit: Self.batchMax) {
      await attempt(order) { _ = try await holding.request(for: order, as: .system) }
    }
    for order in try await runner.store.lateReservationChecks(dueBy: now, limit: Self.batchMax) {
      await attempt(order) { try await CreateOrderSaga(runner).releaseLateReservation(of: order) }
    }
  }

  /// Approved orders whose owner could not pay, oldest approval first.
  public func sweepUnfunded() async throws {
    let now = runner.clock.now()
    for order in try await runner.store.orders(awaiting: .unfunded, changedBefore: now, limit: Self.batchMax) {
      await attempt(order) { _ = try await holding.request(for: order, as: .system) }
    }
  }

  private func resume(_ order: Order) async throws {
    switch order.pendingSaga?.plan {
    case .reserving: try await CreateOrderSaga(runner).recover(order)
    case .settling:
      guard let claimed = try await runner.claim(order) else { return }
      _ = try await SettleOrderSaga(runner).drive(claimed)
    case nil: return
    }
  }

  private func attempt(_ order: Order, _ work: () async throws -> Void) async {
    do {
      try await work()
    } catch {
      report(order.id, error)
    }
  }
}
