import Kernel

/// Order first, slot second: every reservation has an order to be found by (DOMAIN 8.2).
///
/// One step: ask campaign for the slot. Exits: taken → W3, W6, W7; refused → W4; unknown → stays, and is taken up
/// again by a repeat of the call or by the reconciler.
public struct CreateOrderSaga: Sendable {
  let runner: SagaRunner

  public init(_ runner: SagaRunner) { self.runner = runner }

  /// How a creation ended.
  public struct Ending: Sendable {
    public let order: Order
    /// Another driver of the same saga ended it.
    public let observed: Bool
  }

  enum Decision: Sendable {
    case confirm(OrderChange)
    case abandon(OrderChange, Failure)
    case stay
  }

  /// Pure: what the reply of campaign means.
  static func decide(_ order: Order, _ reply: RemoteReply, now: Timestamp) throws(Failure) -> Decision {
    switch reply {
    case .done: .confirm(try Creation.confirm(order, now: now))
    case .refused(let failure): .abandon(try Creation.abandon(order, because: failure, now: now), failure)
    case .unknown: .stay
    }
  }

  /// Drives an order that the caller has just opened or claimed. Fails with campaign's refusal, whoever met it, or with
  /// `SERVICE_UNAVAILABLE` while the outcome is unknown.
  public func drive(_ order: Order) async throws -> Ending {
    guard let saga = order.pendingSaga else { return Ending(order: order, observed: true) }
    let reply = await RemoteReply { try await runner.slots.reserve(for: order, as: saga.actor) }
    switch try Self.decide(order, reply, now: runner.clock.now()) {
    case .confirm(let change): return try await confirm(change, of: order)
    case .abandon(let change, let failure):
      if try await abandon(change) { throw failure }
    case .stay:
      guard try await runner.ended(order) != nil else { throw SagaRunner.outcomeUnknown }
    }
    return try await observe(order)
  }

  /// The reconciler's way: asks what became of the reservation instead of making a new one.
  ///
  /// An order older than its lifetime without a reservation is given up; a younger one is left alone.
  public func recover(_ order: Order) async throws {
    guard let saga = order.pendingSaga else { return }
    let now = runner.clock.now()
    switch try await runner.slots.reservation(of: order.id, as: saga.actor) {
    case .held, .consumed:
      guard let claimed = try await runner.claim(order) else { return }
      _ = try await confirm(try Creation.confirm(claimed, now: now), of: claimed)
    case .released: try await abandon(try Creation.abandon(order, because: Self.slotGone, now: now))
    case nil:
      guard now >= saga.startedAt.advanced(by: SagaTimes.stubLifetime) else { return }
      try await abandon(try Creation.abandon(order, now: now))
    }
  }

  private static let slotGone = Failure(.orderStateMismatch, "the slot of this order was given back meanwhile")

  /// Gives back a slot that was reserved after the order had been given up.
  ///
  /// Written down first: a pre-order may become an order at any moment, and its claim then carries a larger version
  /// than this release, which thereby cannot take its slot away.
  public func releaseLateReservation(of order: Order) async throws {
    let now = runner.clock.now()
    var look = OrderChange(order, by: .system, at: now)
    look.continuesSaga()
    look.edit { $0.slotCheckDueAt = now.advanced(by: SagaTimes.abandonedAfter) }
    guard try await runner.store.commit(look, .none) == .committed else { return }
    let reply = await RemoteReply {
      try await runner.slots.release(
        for: order.id, version: look.after.version, reason: "order_given_up", as: .system)
    }
    guard case .done = reply.accepting(.reservationNotFound) else { return }
    var done = OrderChange(look.after, by: .system, at: now)
    done.continuesSaga()
    done.edit { $0.slotCheckDueAt = nil }
    _ = try await runner.store.commit(done, .none)
  }

  private func confirm(_ change: OrderChange, of order: Order) async throws -> Ending {
    let effect: RequestEffect =
      if let key = order.pendingSaga?.request {
        .answer(key, .response(try runner.answers.created(change.after)))
      } else {
        .none
      }
    if try await runner.store.commit(change, effect) == .committed {
      return Ending(order: change.after, observed: false)
    }
    // Another driver of the same saga was faster, or the order was frozen.
    return try await observe(order)
  }

  /// False when another driver of the same saga was faster, or the order was frozen.
  @discardableResult
  private func abandon(_ change: OrderChange) async throws -> Bool {
    let effect = change.before.pendingSaga?.request.map(RequestEffect.forget) ?? .none
    return try await runner.store.commit(change, effect) == .committed
  }

  /// What another driver has made of the saga is this call's outcome too.
  private func observe(_ order: Order) async throws -> Ending {
    let current = try await runner.awaitEnd(of: order)
    if let refusal = current.refusal(of: order.pendingSaga) { throw refusal }
    guard current.deletedAt == nil, current.orderedAt != nil else { throw SagaRunner.outcomeUnknown }
    return Ending(order: current, observed: true)
  }
}
