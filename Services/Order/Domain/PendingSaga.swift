public import Kernel

/// Names one call of one caller, so that a repeat is recognised (DOMAIN 0.4).
public struct RequestKey: Hashable, Sendable {
  public let callerID: String
  public let rpc: String
  public let requestID: String
  /// Hex digest of what was asked for.
  public let fingerprint: String

  public init(callerID: String, rpc: String, requestID: String, fingerprint: String) {
    self.callerID = callerID
    self.rpc = rpc
    self.requestID = requestID
    self.fingerprint = fingerprint
  }
}

/// Work across services that an order is in the middle of, stored before every remote call.
///
/// Whoever wants to make the next call first writes itself in by a conditional write that raises `attempt`. Only the
/// writer of the newest attempt may store what came of it, so two drivers can never decide one saga both ways.
public struct PendingSaga: Hashable, Sendable {
  public enum Plan: Hashable, Sendable {
    /// Waiting for a slot (DOMAIN 8.2).
    case reserving
    /// Paying (DOMAIN 8.4).
    case settling(SettlementPlan)
  }

  public let plan: Plan
  public let startedAt: Timestamp
  /// When the newest attempt was written.
  public let touchedAt: Timestamp
  /// 1 for the first try of the current step. Above 1 an earlier try may have taken effect.
  public let attempt: Int32
  /// For whom the steps are made, however late.
  public let actor: Actor
  /// The call that waits for the answer; nil if its caller named none.
  public let request: RequestKey?

  public init(
    plan: Plan, startedAt: Timestamp, touchedAt: Timestamp, attempt: Int32, actor: Actor, request: RequestKey?
  ) {
    self.plan = plan
    self.startedAt = startedAt
    self.touchedAt = touchedAt
    self.attempt = attempt
    self.actor = actor
    self.request = request
  }

  /// The first try of `plan`'s step, a step of the same saga.
  func advanced(to plan: Plan, at now: Timestamp) -> PendingSaga {
    PendingSaga(plan: plan, startedAt: startedAt, touchedAt: now, attempt: 1, actor: actor, request: request)
  }

  /// One more try of the same step.
  func retried(at now: Timestamp) -> PendingSaga {
    PendingSaga(
      plan: plan, startedAt: startedAt, touchedAt: now, attempt: attempt + 1, actor: actor, request: request)
  }
}

/// What a settlement has decided and how far it has come.
public struct SettlementPlan: Hashable, Sendable {
  /// Each step is one remote call; its exits are in `SettleOrderSaga`.
  public enum Step: String, CaseIterable, Hashable, Sendable {
    case consumeSlot
    case postMoney
    case releaseHold
    /// Undoes `consumeSlot` after wallet refused.
    case unconsumeSlot
    /// The two steps of a settlement that met the cap.
    case releaseCappedHold
    case releaseCappedSlot
  }

  public let step: Step
  public let seq: Int32
  public let mode: SettlementMode
  public let ref: String?
  public let overrideCooling: Bool
  /// Who gets the margin; nil only in external mode.
  public let mediatorUserID: UserID?
  /// Why wallet refused; the answer of the call once the slot is given back.
  public let refusal: Refusal?

  public init(
    step: Step, seq: Int32, mode: SettlementMode, ref: String?, overrideCooling: Bool, mediatorUserID: UserID?,
    refusal: Refusal? = nil
  ) {
    self.step = step
    self.seq = seq
    self.mode = mode
    self.ref = ref
    self.overrideCooling = overrideCooling
    self.mediatorUserID = mediatorUserID
    self.refusal = refusal
  }

  func at(_ step: Step, refusal: Refusal? = nil) -> SettlementPlan {
    SettlementPlan(
      step: step, seq: seq, mode: mode, ref: ref, overrideCooling: overrideCooling, mediatorUserID: mediatorUserID,
      refusal: refusal ?? self.refusal)
  }
}

/// A failure in the form in which it can be stored and given again.
public struct Refusal: Hashable, Sendable {
  public let code: ErrorCode
  public let message: String

  public init(code: ErrorCode, message: String) {
    self.code = code
    self.message = message
  }

  public init(_ failure: Failure) { self.init(code: failure.code, message: failure.message) }

  public var failure: Failure { Failure(code, message) }
}

/// How a saga came to nothing, kept with its order for those who wait for its end.
public struct SagaRefusal: Hashable, Sendable {
  /// When the saga began: its name among the sagas of one order.
  public let startedAt: Timestamp
  public let refusal: Refusal

  public init(startedAt: Timestamp, refusal: Refusal) {
    self.startedAt = startedAt
    self.refusal = refusal
  }

  init(_ failure: Failure, of saga: PendingSaga) {
    self.init(startedAt: saga.startedAt, refusal: Refusal(failure))
  }
}

extension Order {
  /// The refusal that `saga` has ended with, if it has ended so.
  func refusal(of saga: PendingSaga?) -> Failure? {
    guard let saga, let sagaRefusal, sagaRefusal.startedAt == saga.startedAt else { return nil }
    return sagaRefusal.refusal.failure
  }
}
