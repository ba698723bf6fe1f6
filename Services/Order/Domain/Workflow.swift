import Kernel

/// One move of the workflow of DOMAIN 4.1, by its number there.
public enum WorkflowMove: String, CaseIterable, Hashable, Sendable {
  case w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13, w14, w15, w16, w17, w18

  /// The states that the move may leave; empty for the two moves that begin an order.
  public var origins: [WorkflowStatus] {
    switch self {
    case .w1, .w2: []
    case .w3: [.created, .redirected]
    case .w4: [.created]
    case .w5: [.redirected]
    case .w6: [.ordered]
    case .w7: [.proofSubmitted]
    case .w8, .w9, .w10: [.underReview]
    case .w11, .w12: [.rejected]
    case .w13: [.approved]
    case .w14, .w15, .w16: [.rewardPending]
    case .w17: [.completed]
    case .w18: [.ordered, .proofSubmitted, .underReview, .rejected, .approved]
    }
  }

  /// The one state that the move leads to.
  public var destination: WorkflowStatus {
    switch self {
    case .w1: .redirected
    case .w2: .created
    case .w3: .ordered
    case .w4, .w5, .w12, .w15, .w18: .failed
    case .w6, .w9, .w11: .proofSubmitted
    case .w7: .underReview
    case .w8, .w16, .w17: .approved
    case .w10: .rejected
    case .w13: .rewardPending
    case .w14: .completed
    }
  }

  /// What causes the move; the `source` of its event and audit entry.
  public var source: String {
    switch self {
    case .w1: "TrackRedirect"
    case .w2: "CreateOrder"
    case .w3: "slot_reserved"
    case .w4: "reservation_refused"
    case .w5: "preorder_expired"
    case .w6: "proof_submitted"
    case .w7: "review_queued"
    case .w8: "verification_complete"
    case .w9: "proof_replaced"
    case .w10: "proof_rejected"
    case .w11: "reproof"
    case .w12: "reproof_closed"
    case .w13: "SettleOrder"
    case .w14: "settlement_posted"
    case .w15: "cap_exceeded"
    case .w16: "settlement_refused"
    case .w17: "UnsettleOrder"
    case .w18: "delivery_status"
    }
  }

  /// The money decision behind these is already made, so a freeze that arrives meanwhile does not stop them.
  public var ignoresFreeze: Bool {
    switch self {
    case .w14, .w15, .w16, .w17: true
    case .w1, .w2, .w3, .w4, .w5, .w6, .w7, .w8, .w9, .w10, .w11, .w12, .w13, .w18: false
    }
  }

  public func leads(from status: WorkflowStatus) -> Bool { origins.contains(status) }
}

extension WorkflowStatus {
  /// Every move that leaves this state. A state whose exits are empty is the end of an order.
  public var exits: [WorkflowMove] {
    switch self {
    case .created: [.w3, .w4]
    case .redirected: [.w3, .w5]
    case .ordered: [.w6, .w18]
    case .proofSubmitted: [.w7, .w18]
    case .underReview: [.w8, .w9, .w10, .w18]
    case .approved: [.w13, .w18]
    case .rejected: [.w11, .w12, .w18]
    case .rewardPending: [.w14, .w15, .w16]
    case .completed: [.w17]
    case .failed: []
    }
  }
}
