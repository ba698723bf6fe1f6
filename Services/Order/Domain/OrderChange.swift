public import Kernel

/// One value of an audit entry's metadata.
public enum AuditDetail: Hashable, Sendable {
  case text(String)
  case number(Int64)
  case flag(Bool)
  case list([String])
}

/// One line of the audit log about an order (DOMAIN 10), written in the transaction of the change.
public struct AuditNote: Hashable, Sendable {
  public enum Action: String, CaseIterable, Sendable {
    case orderCreated = "ORDER_CREATED"
    case proofSubmitted = "PROOF_SUBMITTED"
    case workflowTransition = "ORDER_WORKFLOW_TRANSITION"
    case verified = "ORDER_VERIFIED"
    case settled = "ORDER_SETTLED"
    case frozenDisputed = "ORDER_FROZEN_DISPUTED"
  }

  public let action: Action
  public let metadata: [String: AuditDetail]

  public init(action: Action, metadata: [String: AuditDetail]) {
    self.action = action
    self.metadata = metadata
  }
}

/// A decided change of one order, with its history, ready to be committed as one unit.
///
/// The commit is conditional on the state that was read: version, workflow status and, except for the moves behind a
/// decision about money, not frozen.
public struct OrderChange: Sendable {
  public let before: Order
  public private(set) var after: Order
  public private(set) var audit: [AuditNote] = []
  public let actor: Actor
  public let now: Timestamp
  /// Whether the change may be written although the order has been frozen since it was read.
  public private(set) var ignoresFreeze = false
  /// Whether the order's pictures go with the change, because nothing came of the order.
  public private(set) var discardsProofs = false

  public init(_ order: Order, by actor: Actor, at now: Timestamp) {
    before = order
    after = order
    after.version += 1
    after.updatedAt = now
    self.actor = actor
    self.now = now
  }

  /// Makes one move of the workflow and records it.
  ///
  /// Fails with `ILLEGAL_ORDER_TRANSITION` when the move does not lead from the order's state.
  package mutating func move(_ move: WorkflowMove) throws(Failure) {
    let from = after.workflowStatus
    guard move.leads(from: from) else {
      throw Failure(
        .illegalOrderTransition, "an order cannot go from \(from.rawValue) to \(move.destination.rawValue) this way")
    }
    after.workflowStatus = move.destination
    ignoresFreeze = ignoresFreeze || move.ignoresFreeze
    let facts = ["from": from.rawValue, "to": move.destination.rawValue, "source": move.source]
    record(.workflowTransition, facts)
    note(.workflowTransition, facts.mapValues(AuditDetail.text))
  }

  package mutating func record(_ type: OrderEventType, _ metadata: [String: String] = [:]) {
    after.events.append(OrderEvent(type: type, at: now, actorUserID: actor.id, metadata: metadata))
    if after.events.count > Order.eventsMax { after.events.removeFirst(after.events.count - Order.eventsMax) }
  }

  package mutating func note(_ action: AuditNote.Action, _ metadata: [String: AuditDetail]) {
    audit.append(AuditNote(action: action, metadata: metadata))
  }

  package mutating func edit(_ body: (inout Order) -> Void) { body(&after) }

  mutating func discardProofs() {
    edit { order in
      order.proofs = [:]
      order.proofVerdicts = [:]
    }
    discardsProofs = true
  }

  /// Whether the change touches what the shopper has said about the purchase, which hardly any does.
  package var changesPurchase: Bool {
    before.item != after.item || before.total != after.total || before.orderDate != after.orderDate
      || before.soldBy != after.soldBy || before.extractedProductName != after.extractedProductName
      || before.reviewerName != after.reviewerName
  }

  /// A saga goes on whatever happens to the order meanwhile: its effects elsewhere must not be left half done.
  mutating func continuesSaga() { ignoresFreeze = true }
}
