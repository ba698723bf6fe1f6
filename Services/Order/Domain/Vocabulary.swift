public import Kernel

/// Where an order is on its way to money (DOMAIN 4.1). The raw value is the spelling in storage and audit metadata.
public enum WorkflowStatus: String, CaseIterable, Hashable, Sendable {
  case created = "CREATED"
  case redirected = "REDIRECTED"
  case ordered = "ORDERED"
  case proofSubmitted = "PROOF_SUBMITTED"
  case underReview = "UNDER_REVIEW"
  case approved = "APPROVED"
  case rejected = "REJECTED"
  case rewardPending = "REWARD_PENDING"
  case completed = "COMPLETED"
  case failed = "FAILED"

  /// Terminal orders are never frozen; `completed` is left only by a reversal.
  public var isTerminal: Bool { self == .completed || self == .failed }
}

/// What the marketplace says about the parcel.
public enum DeliveryStatus: String, CaseIterable, Hashable, Sendable {
  case ordered = "Ordered"
  case shipped = "Shipped"
  case delivered = "Delivered"
  case cancelled = "Cancelled"
  case returned = "Returned"
}

public enum PaymentStatus: String, CaseIterable, Hashable, Sendable {
  case pending = "Pending"
  case paid = "Paid"
  case refunded = "Refunded"
  case failed = "Failed"
}

/// The financial side of an order (DOMAIN 4.2).
public enum AffiliateStatus: String, CaseIterable, Hashable, Sendable {
  case unchecked = "Unchecked"
  case pendingCooling = "Pending_Cooling"
  case approvedSettled = "Approved_Settled"
  case rejected = "Rejected"
  case fraudAlert = "Fraud_Alert"
  case capExceeded = "Cap_Exceeded"
  case frozenDisputed = "Frozen_Disputed"
}

public enum ProofType: String, CaseIterable, Hashable, Sendable {
  case order
  case payment
  case review
  case rating
  case returnWindow
}

/// A step of the review; each asks for the proof of the same name.
public enum ReviewStep: String, CaseIterable, Hashable, Sendable {
  case order
  case review
  case rating
  case returnWindow

  public var proof: ProofType {
    switch self {
    case .order: .order
    case .review: .review
    case .rating: .rating
    case .returnWindow: .returnWindow
    }
  }
}

extension DealType {
  /// The steps that must be verified before approval, in the order in which they can be.
  public var requiredSteps: [ReviewStep] {
    switch self {
    case .discount: [.order]
    case .review: [.order, .review, .returnWindow]
    case .rating: [.order, .rating, .returnWindow]
    }
  }
}

/// What became of the owner's money for an approved order (DOMAIN 7.4).
public enum FundsHold: String, CaseIterable, Hashable, Sendable {
  case none
  /// Asked for in the transaction of the approval; wallet has not answered yet.
  case requested
  case held
  /// The owner could not pay; asked for again by a sweep.
  case unfunded
  case consumed
  case released
}

public enum SettlementMode: String, CaseIterable, Hashable, Sendable {
  /// Paid out of the owner's wallet.
  case wallet
  /// Paid elsewhere; only recorded.
  case external
}

public enum SettlementOutcome: String, CaseIterable, Hashable, Sendable {
  case settled
  /// The mediator's limit was lowered below what had been reserved: the order failed and no money moved.
  case capExceeded = "cap_exceeded"
}

public enum FreezeReason: String, CaseIterable, Hashable, Sendable {
  case user = "USER_SUSPENDED"
  case mediator = "MEDIATOR_SUSPENDED"
  case agency = "AGENCY_SUSPENDED"
  case brand = "BRAND_SUSPENDED"
}

public enum OrderEventType: String, CaseIterable, Hashable, Sendable {
  case ordered = "ORDERED"
  case proofSubmitted = "PROOF_SUBMITTED"
  case verified = "VERIFIED"
  case rejected = "REJECTED"
  case fraudAlert = "FRAUD_ALERT"
  case fraudCleared = "FRAUD_CLEARED"
  case settled = "SETTLED"
  case unsettled = "UNSETTLED"
  case capExceeded = "CAP_EXCEEDED"
  case frozenDisputed = "FROZEN_DISPUTED"
  case disputeCleared = "DISPUTE_CLEARED"
  case missingProofRequested = "MISSING_PROOF_REQUESTED"
  case statusChanged = "STATUS_CHANGED"
  case workflowTransition = "WORKFLOW_TRANSITION"
  case workflowFrozen = "WORKFLOW_FROZEN"
  case workflowReactivated = "WORKFLOW_REACTIVATED"
}
