public import Kernel

/// A shopper's claim for cashback: what was bought, what was proved, and what became of it.
///
/// Changed only through `OrderChange`, which keeps the workflow, the version and the history together; the setters are
/// wider than that only for the stores, which put a stored order together again.
public struct Order: Hashable, Sendable {
  public let id: OrderID
  public let userID: UserID
  /// The campaign's owner, who pays.
  public let brandUserID: UserID
  public let ownerKind: OwnerKind
  public let campaignID: CampaignID
  public let dealID: DealID
  public let mediatorCode: PartyCode
  public let agencyCode: PartyCode
  public let agencyName: String
  public let buyerName: String
  public let buyerMobile: String
  public let brandName: String
  public package(set) var item: OrderItem
  public package(set) var total: Money
  public let economics: Economics
  public let returnWindowDays: Int32
  public package(set) var workflowStatus: WorkflowStatus
  public package(set) var status = DeliveryStatus.ordered
  public package(set) var paymentStatus = PaymentStatus.pending
  public package(set) var affiliateStatus = AffiliateStatus.unchecked
  /// The value under a fraud flag or a dispute.
  public package(set) var heldAffiliateStatus: AffiliateStatus?
  /// Holds the shopper's only claim on the deal.
  public package(set) var claimActive = true
  public package(set) var frozen = false
  public package(set) var frozenAt: Timestamp?
  public package(set) var frozenReasons: [FreezeReason] = []
  public package(set) var externalOrderID: ExternalOrderID?
  public package(set) var orderDate: Timestamp?
  public package(set) var soldBy: String?
  public package(set) var extractedProductName: String?
  public package(set) var reviewerName: String?
  public package(set) var proofs: [ProofType: ProofState] = [:]
  public package(set) var verification: [ReviewStep: VerificationState] = [:]
  public package(set) var proofVerdicts: [ReviewStep: ProofVerdict] = [:]
  public package(set) var rejection: Rejection?
  public package(set) var reproofDeadline: Timestamp?
  public package(set) var missingProofRequests: [MissingProofRequest] = []
  public package(set) var orderedAt: Timestamp?
  public package(set) var approvedAt: Timestamp?
  public package(set) var coolingEndsAt: Timestamp?
  public package(set) var fundsHold = FundsHold.none
  /// The number of the current hold; 0 before the first.
  public package(set) var holdSeq: Int32 = 0
  /// Whoever approved the order, while its hold is still to be had: for whom wallet is asked again, however late.
  public package(set) var holdRequestedBy: Actor?
  public package(set) var settlement: Settlement?
  /// Tries of the next settlement that wallet has refused for good; part of the next posting's key.
  public package(set) var voidedSettlementTries: Int32 = 0
  public package(set) var pendingSaga: PendingSaga?
  /// Why the last saga that came to nothing did so.
  public package(set) var sagaRefusal: SagaRefusal?
  /// When to make sure that no reservation has arrived after the order was given up; nil when there is no need.
  public package(set) var slotCheckDueAt: Timestamp?
  /// The last `eventsMax` events, oldest first.
  public package(set) var events: [OrderEvent] = []
  public package(set) var version: Int64 = 0
  public let createdAt: Timestamp
  public package(set) var updatedAt: Timestamp
  public package(set) var deletedAt: Timestamp?

  /// Older events live in the audit log.
  public static let eventsMax = 200

  public init(
    id: OrderID, userID: UserID, brandUserID: UserID, ownerKind: OwnerKind, campaignID: CampaignID, dealID: DealID,
    mediatorCode: PartyCode, agencyCode: PartyCode, agencyName: String, buyerName: String, buyerMobile: String,
    brandName: String, item: OrderItem, total: Money, economics: Economics, returnWindowDays: Int32,
    workflowStatus: WorkflowStatus, orderDate: Timestamp?, soldBy: String?, extractedProductName: String?,
    reviewerName: String?, createdAt: Timestamp
  ) {
    self.id = id
    self.userID = userID
    self.brandUserID = brandUserID
    self.ownerKind = ownerKind
    self.campaignID = campaignID
    self.dealID = dealID
    self.mediatorCode = mediatorCode
    self.agencyCode = agencyCode
    self.agencyName = agencyName
    self.buyerName = buyerName
    self.buyerMobile = buyerMobile
    self.brandName = brandName
    self.item = item
    self.total = total
    self.economics = economics
    self.returnWindowDays = returnWindowDays
    self.workflowStatus = workflowStatus
    self.orderDate = orderDate
    self.soldBy = soldBy
    self.extractedProductName = extractedProductName
    self.reviewerName = reviewerName
    self.createdAt = createdAt
    updatedAt = createdAt
  }

  public var requiredSteps: [ReviewStep] { item.dealType.requiredSteps }

  public var missingProofs: [ProofType] { requiredSteps.map(\.proof).filter { proofs[$0] == nil } }

  public var missingVerifications: [ReviewStep] { requiredSteps.filter { verification[$0] == nil } }

  /// The number that the next settlement would get.
  public var nextSettlementSeq: Int32 { (settlement?.seq ?? 0) + 1 }
}
