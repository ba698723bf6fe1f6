import Kernel

/// Moves the money of an approved order exactly once (DOMAIN 8.4).
///
/// ```text
/// consumeSlot ── done ──▶ postMoney (wallet) ── done ──▶ W14
///      │                      └── refused ──▶ unconsumeSlot ──▶ W16
///      │── done ──▶ releaseHold (external, if there is a hold number) ──▶ W14
///      │── CAP_EXCEEDED ──▶ releaseCappedHold ──▶ releaseCappedSlot ──▶ W15
///      └── refused otherwise ──▶ W16
/// ```
/// Every arrow is a conditional write made before the next remote call. Unknown replies leave the step where it is.
public struct SettleOrderSaga: Sendable {
  let runner: SagaRunner

  public init(_ runner: SagaRunner) { self.runner = runner }

  /// How a settlement ended.
  public struct Ending: Sendable {
    public let order: Order
    public let outcome: SettlementOutcome
    /// Another driver of the same saga ended it.
    public let observed: Bool
  }

  enum Decision: Sendable {
    case next(OrderChange)
    case settle(OrderChange)
    case cap(OrderChange)
    case refuse(OrderChange, Failure)
    case stay
  }

  /// Steps on the longest way: consume, release the hold, release the slot; or consume, post, unconsume.
  static let stepsMax = 3

  /// Drives an order whose current attempt the caller has just written. Fails with wallet's or campaign's refusal,
  /// whoever met it, or with `SERVICE_UNAVAILABLE` while the outcome is unknown.
  public func drive(_ order: Order) async throws -> Ending {
    var current = order
    for _ in 0..<Self.stepsMax {
      guard let saga = current.pendingSaga, case .settling(let plan) = saga.plan else { break }
      let (reply, voided) = await perform(plan, saga, current)
      let decision = try Self.decide(current, saga, plan, reply, voided: voided, now: runner.clock.now())
      switch decision {
      case .next(let change):
        guard try await runner.store.commit(change, .none) == .committed else { return try await observe(order) }
        current = change.after
      case .settle(let change): return try await finish(change, .settled, of: current)
      case .cap(let change): return try await finish(change, .capExceeded, of: current)
      case .refuse(let change, let failure):
        let effect = saga.request.map(RequestEffect.forget) ?? .none
        guard try await runner.store.commit(change, effect) == .committed else { return try await observe(order) }
        throw failure
      case .stay:
        guard try await runner.ended(order) != nil else { throw SagaRunner.outcomeUnknown }
        return try await observe(order)
      }
    }
    throw SagaRunner.outcomeUnknown
  }

  private func finish(_ change: OrderChange, _ outcome: SettlementOutcome, of order: Order) async throws -> Ending {
    let effect: RequestEffect =
      if let key = order.pendingSaga?.request {
        .answer(key, .response(try runner.answers.settled(change.after, outcome)))
      } else {
        .none
      }
    guard try await runner.store.commit(change, effect) == .committed else { return try await observe(order) }
    return Ending(order: change.after, outcome: outcome, observed: false)
  }

  /// Another driver has taken the saga over: its end is this call's end too.
  private func observe(_ order: Order) async throws -> Ending {
    let current = try await runner.awaitEnd(of: order)
    guard let saga = order.pendingSaga, case .settling(let plan) = saga.plan else { throw SagaRunner.outcomeUnknown }
    if let refusal = current.refusal(of: saga) { throw refusal }
    if current.workflowStatus == .completed, current.settlement?.seq == plan.seq {
      return Ending(order: current, outcome: .settled, observed: true)
    }
    if current.affiliateStatus == .capExceeded {
      return Ending(order: current, outcome: .capExceeded, observed: true)
    }
    throw SagaRunner.outcomeUnknown
  }
}

extension SettleOrderSaga {
  /// Makes the remote call of a step. `voided` tells that a refusal was stored under the posting's key for ever.
  private func perform(_ plan: SettlementPlan, _ saga: PendingSaga, _ order: Order) async -> (RemoteReply, Bool) {
    let slots = runner.slots
    let funds = runner.funds
    switch plan.step {
    case .consumeSlot:
      let reply = await RemoteReply {
        try await slots.consume(for: order.id, version: order.version, as: saga.actor)
      }
      return (reply, false)
    case .postMoney: return await post(plan, saga, order)
    case .releaseHold, .releaseCappedHold:
      let reason = plan.step == .releaseHold ? "external_settlement" : "cap_exceeded"
      let reply = await RemoteReply {
        try await funds.release(order: order.id, holdSeq: order.holdSeq, reason: reason, as: saga.actor)
      }
      return (reply.accepting(.holdNotFound), false)
    case .unconsumeSlot:
      let reply = await RemoteReply {
        try await slots.unconsume(for: order.id, version: order.version, as: saga.actor)
      }
      return (reply.accepting(.reservationNotFound, .orderStateMismatch), false)
    case .releaseCappedSlot: return (await releaseCapped(order, saga), false)
    }
  }

  /// An attempt at the first step that was on its way for long may have consumed the slot after all, if the limit was
  /// raised between it and the refusal. No such message takes effect any more once a step of this version has.
  private func releaseCapped(_ order: Order, _ saga: PendingSaga) async -> RemoteReply {
    let slots = runner.slots
    let release = {
      try await slots.release(for: order.id, version: order.version, reason: "cap_exceeded", as: saga.actor)
    }
    var reply = await RemoteReply(release)
    if case .refused(let failure) = reply, failure.code == .orderStateMismatch {
      reply = await RemoteReply {
        try await slots.unconsume(for: order.id, version: order.version, as: saga.actor)
        try await release()
      }
    }
    return reply.accepting(.reservationNotFound)
  }

  /// Posts the money. Only the very first attempt goes without `resolve`: after an unknown outcome a refusal must
  /// also stop the attempt before, wherever it is.
  private func post(_ plan: SettlementPlan, _ saga: PendingSaga, _ order: Order) async -> (RemoteReply, Bool) {
    guard let mediatorID = plan.mediatorUserID else {
      return (.refused(Failure(.missingMediator, "the mediator's account is gone")), false)
    }
    let posting = SettlementPosting(
      funds: OrderFunds(order, mediatorID: mediatorID), seq: plan.seq, holdSeq: order.holdSeq,
      voidedTries: order.voidedSettlementTries)
    var wait = SagaRunner.pauseFirst
    var last: (RemoteReply, Bool) = (.unknown(SagaRunner.outcomeUnknown), false)
    for attempt in 1...SagaRunner.attemptsMax {
      let resolve = saga.attempt > 1 || attempt > 1
      last = (
        await RemoteReply { try await runner.funds.settle(posting, resolve: resolve, as: saga.actor) }, resolve
      )
      guard case .unknown = last.0, attempt < SagaRunner.attemptsMax, Deadline.current?.hasPassed != true else { break }
      guard (try? await runner.pause(wait)) != nil else { break }
      wait = wait * 2
    }
    return last
  }

  /// Pure: where a reply leads. See the picture above.
  static func decide(
    _ order: Order, _ saga: PendingSaga, _ plan: SettlementPlan, _ reply: RemoteReply, voided: Bool, now: Timestamp
  ) throws(Failure) -> Decision {
    let step: (SettlementPlan.Step, Refusal?) -> Decision = { step, refusal in
      .next(advance(order, saga, to: plan.at(step, refusal: refusal), voided: voided, now: now))
    }
    switch (plan.step, reply) {
    case (_, .unknown): return .stay
    case (.consumeSlot, .done):
      if plan.mode == .wallet { return step(.postMoney, nil) }
      return order.holdSeq > 0 ? step(.releaseHold, nil) : .settle(try settle(order, plan, saga, now: now))
    case (.consumeSlot, .refused(let failure)) where failure.code == .capExceeded:
      return step(order.holdSeq > 0 ? .releaseCappedHold : .releaseCappedSlot, nil)
    case (.consumeSlot, .refused(let failure)): return .refuse(try refuse(order, saga, failure, now: now), failure)
    case (.postMoney, .done), (.releaseHold, .done): return .settle(try settle(order, plan, saga, now: now))
    case (.postMoney, .refused(let failure)): return step(.unconsumeSlot, Refusal(failure))
    case (.releaseCappedHold, .done): return step(.releaseCappedSlot, nil)
    case (.releaseCappedSlot, .done): return .cap(try cap(order, plan, saga, now: now))
    case (.unconsumeSlot, .done):
      let failure = plan.refusal?.failure ?? SagaRunner.outcomeUnknown
      return .refuse(try refuse(order, saga, failure, now: now), failure)
    case (.releaseHold, .refused), (.releaseCappedHold, .refused), (.releaseCappedSlot, .refused),
      (.unconsumeSlot, .refused):
      return .stay  // Cannot be refused for good: repeated until done.
    }
  }

  private static func advance(
    _ order: Order, _ saga: PendingSaga, to plan: SettlementPlan, voided: Bool, now: Timestamp
  ) -> OrderChange {
    var change = OrderChange(order, by: saga.actor, at: now)
    change.continuesSaga()
    change.edit { order in
      order.pendingSaga = saga.advanced(to: .settling(plan), at: now)
      if voided, plan.step == .unconsumeSlot { order.voidedSettlementTries += 1 }
    }
    return change
  }

  /// W14.
  private static func settle(
    _ order: Order, _ plan: SettlementPlan, _ saga: PendingSaga, now: Timestamp
  ) throws(Failure) -> OrderChange {
    var change = OrderChange(order, by: saga.actor, at: now)
    try change.move(.w14)
    change.edit { order in
      order.paymentStatus = .paid
      order.affiliateStatus = .approvedSettled
      order.heldAffiliateStatus = nil
      order.settlement = Settlement(
        seq: plan.seq, mode: plan.mode, ref: plan.ref, settledAt: now, settledBy: saga.actor.id)
      if order.holdSeq > 0 { order.fundsHold = plan.mode == .wallet ? .consumed : .released }
      order.holdRequestedBy = nil
      order.voidedSettlementTries = 0
      order.pendingSaga = nil
    }
    change.record(.settled, ["mode": plan.mode.rawValue, "seq": String(plan.seq)])
    change.note(.settled, auditFacts(plan, .settled))
    return change
  }

  /// W15.
  private static func cap(
    _ order: Order, _ plan: SettlementPlan, _ saga: PendingSaga, now: Timestamp
  ) throws(Failure) -> OrderChange {
    var change = OrderChange(order, by: saga.actor, at: now)
    try change.move(.w15)
    change.edit { order in
      order.paymentStatus = .failed
      order.affiliateStatus = .capExceeded
      order.heldAffiliateStatus = nil
      order.claimActive = false
      if order.holdSeq > 0 { order.fundsHold = .released }
      order.holdRequestedBy = nil
      order.pendingSaga = nil
    }
    change.record(.capExceeded)
    change.note(.settled, auditFacts(plan, .capExceeded))
    return change
  }

  /// W16.
  private static func refuse(
    _ order: Order, _ saga: PendingSaga, _ failure: Failure, now: Timestamp
  ) throws(Failure) -> OrderChange {
    var change = OrderChange(order, by: saga.actor, at: now)
    try change.move(.w16)
    change.edit { order in
      order.sagaRefusal = SagaRefusal(failure, of: saga)
      order.pendingSaga = nil
    }
    return change
  }

  private static func auditFacts(_ plan: SettlementPlan, _ outcome: SettlementOutcome) -> [String: AuditDetail] {
    [
      "outcome": .text(outcome.rawValue), "mode": .text(plan.mode.rawValue), "seq": .number(Int64(plan.seq)),
      "override": .flag(plan.overrideCooling),
    ]
  }
}
