import Kernel
import Messages
import OrderDomain

extension ProtoEnum {
  /// The wire value of a domain value; both are spelled alike in storage, which a test compares case by case.
  init(domain value: some RawRepresentable<String>) {
    self = Self(stored: value.rawValue) ?? Self()
  }
}

extension OrderV1.Order {
  /// The order with what the viewer may not see left out (DOMAIN 5.8).
  init(_ order: Order, _ visibility: Visibility) {
    self.init(id: order.id.rawValue)
    fillParties(order, visibility)
    fillTerms(order, visibility)
    fillState(order)
    fillEvidence(order, visibility)
  }

  private mutating func fillParties(_ order: Order, _ visibility: Visibility) {
    brandUserId = order.brandUserID.rawValue
    campaignId = order.campaignID.rawValue
    dealId = order.dealID.rawValue
    mediatorCode = order.mediatorCode.rawValue
    agencyCode = order.agencyCode.rawValue
    agencyName = order.agencyName
    brandName = order.brandName
    if visibility.identity {
      userId = order.userID.rawValue
      buyerName = order.buyerName
      buyerMobile = order.buyerMobile
      reviewerName = order.reviewerName
    }
  }

  private mutating func fillTerms(_ order: Order, _ visibility: Visibility) {
    item = OrderV1.OrderItem(
      title: order.item.title, image: order.item.image, platform: order.item.platform,
      brandName: order.item.brandName, dealType: .init(domain: order.item.dealType), quantity: order.item.quantity,
      unitPricePaise: order.item.unitPrice.paise)
    totalPaise = order.total.paise
    commissionPaise = order.economics.commission.paise
    if visibility.payout {
      payoutPaise = order.economics.payout.paise
      platformFeePaise = order.economics.platformFee.paise
    }
    if visibility.margin { marginPaise = order.economics.margin.paise }
    returnWindowDays = order.returnWindowDays
  }

  private mutating func fillState(_ order: Order) {
    workflowStatus = .init(domain: order.workflowStatus)
    status = .init(domain: order.status)
    paymentStatus = .init(domain: order.paymentStatus)
    affiliateStatus = .init(domain: order.affiliateStatus)
    claimActive = order.claimActive
    frozen = order.frozen
    frozenReasons = order.frozenReasons.map(\.rawValue)
    externalOrderId = order.externalOrderID?.rawValue
    reproofDeadline = order.reproofDeadline.map { .init($0) }
    orderedAt = order.orderedAt.map { .init($0) }
    approvedAt = order.approvedAt.map { .init($0) }
    coolingEndsAt = order.coolingEndsAt.map { .init($0) }
    fundsHold = .init(domain: order.fundsHold)
    settlement = order.settlement.map { settlement in
      OrderV1.Settlement(
        seq: settlement.seq, mode: .init(domain: settlement.mode), ref: settlement.ref,
        settledAt: .init(settlement.settledAt), settledBy: settlement.settledBy)
    }
    version = order.version
    createdAt = .init(order.createdAt)
    updatedAt = .init(order.updatedAt)
  }

  private mutating func fillEvidence(_ order: Order, _ visibility: Visibility) {
    orderDate = order.orderDate.map { .init($0) }
    soldBy = order.soldBy
    extractedProductName = order.extractedProductName
    let detailed = visibility.proofDetails
    proofs = OrderV1.Proofs(
      order: .init(order.proofs[.order], detailed: detailed),
      payment: .init(order.proofs[.payment], detailed: detailed),
      review: .init(order.proofs[.review], detailed: detailed),
      rating: .init(order.proofs[.rating], detailed: detailed),
      returnWindow: .init(order.proofs[.returnWindow], detailed: detailed))
    verification = OrderV1.Verification(
      order: .init(order.verification[.order], detailed: detailed),
      review: .init(order.verification[.review], detailed: detailed),
      rating: .init(order.verification[.rating], detailed: detailed),
      returnWindow: .init(order.verification[.returnWindow], detailed: detailed))
    rejection = order.rejection.map { rejection in
      OrderV1.Rejection(
        type: .init(domain: rejection.type), reason: rejection.reason, at: .init(rejection.at),
        by: detailed ? rejection.by : "", final: rejection.final)
    }
    missingProofRequests = order.missingProofRequests.map { request in
      OrderV1.MissingProofRequest(
        type: .init(domain: request.type), note: request.note, requestedAt: .init(request.requestedAt),
        requestedBy: detailed ? request.requestedBy : "")
    }
  }
}

extension OrderV1.ProofState {
  init(_ proof: OrderDomain.ProofState?, detailed: Bool) {
    self.init(present: proof != nil)
    guard detailed, let proof else { return }
    version = proof.version
    submittedAt = .init(proof.submittedAt)
    sha256 = proof.sha256
  }
}

extension OrderV1.VerificationState {
  init(_ verification: OrderDomain.VerificationState?, detailed: Bool) {
    self.init(verified: verification != nil)
    guard detailed, let verification else { return }
    verifiedAt = .init(verification.verifiedAt)
    verifiedBy = verification.verifiedBy
    autoVerified = verification.autoVerified
    confidenceScore = verification.confidenceScore
  }
}
