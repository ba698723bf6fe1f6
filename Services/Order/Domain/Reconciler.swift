public import Kernel
import Synchronization

/// Finishes what crashed or unanswered calls have left behind. Safe to run in every replica at once: whoever takes a
/// saga over first writes that down, and the others lose that write.
public struct Reconciler: Sendable {
  let runner: SagaRunner
  let holding: FundsHolding
  /// Hears of every order that could not be helped this time.
  let report: @Sendable (OrderID, any Error) -> Void
  private let requested = SweepPlace<ApprovalPlace>()
  private let unfunded = SweepPlace<ApprovalPlace>()
  private let held = SweepPlace<String>()

  /// Orders looked at in one go; the rest wait for the next go or the next sweep.
  static let batchMax = 100
  /// Goes of one sweep through orders that wait for money, and through held slots.
  static let batchesMax = 10

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
      await attempt(order.id) { try await resume(order) }
    }
    try await sweepHolds(.requested, changedBefore: abandoned, from: requested)
    for order in try await runner.store.lateReservationChecks(dueBy: now, limit: Self.batchMax) {
      await attempt(order.id) { try await CreateOrderSaga(runner).releaseLateReservation(of: order) }
    }
  }

  /// Approved orders whose owner could not pay, oldest approval first.
  public func sweepUnfunded() async throws {
    try await sweepHolds(.unfunded, changedBefore: runner.clock.now(), from: unfunded)
  }

  /// Slots held for orders that have failed, or that nobody knows, for so long that no message about them is on its
  /// way any more (DOMAIN 8.2). A backstop: whoever lets an order fail gives its slot back.
  public func sweepReservations() async throws {
    let moment = runner.clock.now().advanced(by: .zero - SagaTimes.lateReservation)
    for _ in 0..<Self.batchesMax {
      let page = try await heldSlots(before: moment)
      let fates = try await runner.store.fates(of: page.orders)
      for id in page.orders {
        guard let reason = Self.reasonToRelease(fates[id], failedBefore: moment) else { continue }
        await attempt(id) {
          try await runner.slots.release(for: id, version: fates[id]?.version ?? 0, reason: reason, as: .system)
        }
      }
      held.move(to: page.next)
      guard page.next != nil else { return }
    }
  }

  /// Nil while the order needs its slot, or may still come to need it.
  static func reasonToRelease(_ fate: OrderFate?, failedBefore moment: Timestamp) -> String? {
    guard let fate else { return "order_unknown" }
    return fate.status == .failed && fate.changedAt <= moment ? "order_failed" : nil
  }

  private func heldSlots(before moment: Timestamp) async throws -> HeldSlots {
    do {
      return try await runner.slots.held(before: moment, from: held.current)
    } catch let failure as Failure where failure.code == .invalidCursor {
      // Campaign was replaced by a version with other cursors.
      held.move(to: nil)
      return try await runner.slots.held(before: moment, from: nil)
    }
  }

  /// Goes on where the last sweep stopped, so that orders that cannot be helped keep nobody behind them waiting for
  /// ever. Stops at the first silence: what is away for one order is away for all.
  private func sweepHolds(
    _ hold: FundsHold, changedBefore moment: Timestamp, from place: SweepPlace<ApprovalPlace>
  ) async throws {
    for _ in 0..<Self.batchesMax {
      let due = try await runner.store.orders(
        awaiting: hold, changedBefore: moment, after: place.current, limit: Self.batchMax)
      for order in due {
        place.move(to: ApprovalPlace(order))
        var answered = false
        await attempt(order.id) { answered = try await holding.requestAgain(for: order) }
        guard answered else { return }
      }
      // At the end of the line the next sweep begins with the oldest again.
      guard due.count == Self.batchMax else { return place.move(to: nil) }
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

  private func attempt(_ order: OrderID, _ work: () async throws -> Void) async {
    do {
      try await work()
    } catch {
      report(order, error)
    }
  }
}

/// Where a sweep has stopped, for the next one to go on; nil for the beginning. Each process keeps its own: to look at
/// an order twice does no harm.
private final class SweepPlace<Place: Sendable>: Sendable {
  private let place = Mutex<Place?>(nil)

  var current: Place? { place.withLock { $0 } }

  func move(to next: Place?) { place.withLock { $0 = next } }
}
