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
    case .refused(let failure): .abandon(try Creation.abandon(order, now: now), failure)
    case .unknown: .stay
    }
  }

  /// Drives an order that the caller has just opened or claimed. Fails with campaign's refusal, or with
  /// `SERVICE_UNAVAILABLE` while the outcome is unknown.
  public func drive(_ order: Order) async throws -> Ending {
    guard let saga = order.pendingSaga else { return Ending(order: order, observed: true) }
    let reply = await RemoteReply { try await runner.slots.reserve(for: order, as: saga.actor) }
    switch try Self.decide(order, reply, now: runner.clock.now()) {
    case .confirm(let change): return try await confirm(change, of: order)
    case .abandon(let change, let failure):
      try await abandon(change)
      throw failure
    case .stay: throw SagaRunner.outcomeUnknown
    }
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
    case .released: try await abandon(try Creation.abandon(order, now: now))
    case nil:
      guard now >= saga.startedAt.advanced(by: SagaTimes.stubLifetime) else { return }
      try await abandon(try Creation.abandon(order, now: now))
    }
  }

  /// Gives back a slot that was reserved after the order had been given up.
  public func releaseLateReservation(of order: Order) async throws {
    let reply = await RemoteReply {
      try await runner.slots.release(for: order.id, reason: "order_given_up", as: .system)
    }
    guard case .done = reply.accepting(.reservationNotFound) else { return }
    var change = OrderChange(order, by: .system, at: runner.clock.now())
    change.edit { $0.slotCheckDueAt = nil }
    _ = try await runner.store.commit(change, .none)
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
    guard let current = try await runner.awaitEnd(of: order), current.orderedAt != nil else {
      throw SagaRunner.outcomeUnknown
    }
    return Ending(order: current, observed: true)
  }

  private func abandon(_ change: OrderChange) async throws {
    let effect = change.before.pendingSaga?.request.map(RequestEffect.forget) ?? .none
    guard try await runner.store.commit(change, effect) == .committed else { throw SagaRunner.outcomeUnknown }
  }
}
