import Kernel
import Mongo
import OrderDomain

/// An order as a document of `orders`. Reading refuses what it does not know.
extension Order {
  init(_ document: BSONDocument) throws {
    let economics = try document.document("economics")
    self.init(
      id: try document.id("_id"), userID: try document.id("userId"), brandUserID: try document.id("brandUserId"),
      ownerKind: try document.choice("ownerKind"), campaignID: try document.id("campaignId"),
      dealID: try document.id("dealId"), mediatorCode: try document.code("mediatorCode"),
      agencyCode: try document.code("agencyCode"), agencyName: try document.string("agencyName"),
      buyerName: try document.string("buyerName"), buyerMobile: try document.string("buyerMobile"),
      brandName: try document.string("brandName"), item: try OrderItem(try document.document("item")),
      total: try document.money("totalPaise"),
      economics: Economics(
        commission: try economics.money("commissionPaise"), payout: try economics.money("payoutPaise"),
        platformFee: try economics.money("platformFeePaise")),
      returnWindowDays: try document.int32("returnWindowDays"),
      workflowStatus: try document.choice("workflowStatus"), orderDate: try document.optionalDatetime("orderDate"),
      soldBy: try document.optionalString("soldBy"),
      extractedProductName: try document.optionalString("extractedProductName"),
      reviewerName: try document.optionalString("reviewerName"), createdAt: try document.datetime("createdAt"))
    try readState(document)
    try readEvidence(document)
    try readMoney(document)
  }

  private mutating func readState(_ document: BSONDocument) throws {
    status = try document.choice("status")
    paymentStatus = try document.choice("paymentStatus")
    affiliateStatus = try document.choice("affiliateStatus")
    heldAffiliateStatus = try document.optionalChoice("heldAffiliateStatus")
    claimActive = try document.bool("claimActive")
    frozen = try document.bool("frozen")
    frozenAt = try document.optionalDatetime("frozenAt")
    frozenReasons = try document.strings("frozenReasons").map { text in
      guard let reason = FreezeReason(rawValue: text) else {
        throw MongoFailure.malformedDocument("`frozenReasons[]` has a value that is not known here")
      }
      return reason
    }
    externalOrderID = try document.optionalString("externalOrderId").map { ExternalOrderID(stored: $0) }
    orderedAt = try document.optionalDatetime("orderedAt")
    approvedAt = try document.optionalDatetime("approvedAt")
    coolingEndsAt = try document.optionalDatetime("coolingEndsAt")
    pendingSaga = try document.optionalDocument("pendingSaga").map { try PendingSaga($0) }
    sagaRefusal = try document.optionalDocument("sagaRefusal").map { try SagaRefusal($0) }
    slotCheckDueAt = try document.optionalDatetime("slotCheckDueAt")
    events = try document.documents("events").map { try OrderEvent($0) }
    version = try document.int64("version")
    updatedAt = try document.datetime("updatedAt")
    deletedAt = try document.optionalDatetime("deletedAt")
  }

  private mutating func readEvidence(_ document: BSONDocument) throws {
    let proofDocuments = try document.document("proofs")
    for type in ProofType.allCases {
      proofs[type] = try proofDocuments.optionalDocument(type.rawValue).map { try ProofState($0) }
    }
    let verified = try document.document("verification")
    let verdicts = try document.document("proofVerdicts")
    for step in ReviewStep.allCases {
      verification[step] = try verified.optionalDocument(step.rawValue).map { try VerificationState($0) }
      proofVerdicts[step] = try verdicts.optionalDocument(step.rawValue).map { verdict in
        ProofVerdict(duplicateOf: try verdict.optionalID("duplicateOf"))
      }
    }
    rejection = try document.optionalDocument("rejection").map { try Rejection($0) }
    reproofDeadline = try document.optionalDatetime("reproofDeadline")
    missingProofRequests = try document.documents("missingProofRequests").map { try MissingProofRequest($0) }
  }

  private mutating func readMoney(_ document: BSONDocument) throws {
    fundsHold = try document.choice("fundsHold")
    holdSeq = try document.int32("holdSeq")
    holdRequestedBy = try document.optionalDocument("holdRequestedBy").map { try Actor($0) }
    settlement = try document.optionalDocument("settlement").map { try Settlement($0) }
    voidedSettlementTries = try document.int32("voidedSettlementTries")
  }
}

extension Order {
  /// `changedBy` is a user id or `SYSTEM`.
  func document(changedBy: String) -> BSONDocument {
    var fields: [(String, BSONValue)] = [("_id", .id(id))]
    fields += identityFields + termFields + purchaseFields + changingFields(changedBy: changedBy)
    return BSONDocument(fields)
  }

  private var identityFields: [(String, BSONValue)] {
    [
      ("userId", .id(userID)), ("brandUserId", .id(brandUserID)), ("ownerKind", .string(ownerKind.rawValue)),
      ("campaignId", .id(campaignID)), ("dealId", .id(dealID)), ("mediatorCode", .string(mediatorCode.rawValue)),
      ("agencyCode", .string(agencyCode.rawValue)), ("agencyName", .string(agencyName)),
      ("buyerName", .string(buyerName)), ("buyerMobile", .string(buyerMobile)), ("brandName", .string(brandName)),
      ("createdAt", .datetime(createdAt)), ("createdBy", .id(userID)),
    ]
  }

  private var termFields: [(String, BSONValue)] {
    [
      (
        "economics",
        [
          "commissionPaise": .money(economics.commission), "payoutPaise": .money(economics.payout),
          "marginPaise": .money(economics.margin), "platformFeePaise": .money(economics.platformFee),
        ]
      ),
      ("returnWindowDays", .int32(returnWindowDays)),
    ]
  }

  /// What the shopper has said about the purchase.
  var purchaseFields: [(String, BSONValue)] {
    [
      ("item", .document(item.document)), ("totalPaise", .money(total)), ("orderDate", .optional(orderDate)),
      ("soldBy", .optional(soldBy)), ("extractedProductName", .optional(extractedProductName)),
      ("reviewerName", .optional(reviewerName)),
    ]
  }

  /// What every commit sets.
  func changingFields(changedBy: String) -> [(String, BSONValue)] {
    stateFields + evidenceFields
      + [
        ("fundsHold", .string(fundsHold.rawValue)), ("holdSeq", .int32(holdSeq)),
        ("holdRequestedBy", .optional(holdRequestedBy?.document)), ("settlement", .optional(settlement?.document)),
        ("voidedSettlementTries", .int32(voidedSettlementTries)),
        ("events", .documents(events.map(\.document))), ("version", .int64(version)),
        ("updatedAt", .datetime(updatedAt)), ("updatedBy", .string(changedBy)), ("deletedAt", .optional(deletedAt)),
        ("deletedBy", deletedAt == nil ? .null : .string(changedBy)),
      ]
  }

  private var stateFields: [(String, BSONValue)] {
    [
      ("workflowStatus", .string(workflowStatus.rawValue)), ("status", .string(status.rawValue)),
      ("paymentStatus", .string(paymentStatus.rawValue)), ("affiliateStatus", .string(affiliateStatus.rawValue)),
      ("heldAffiliateStatus", .optional(heldAffiliateStatus?.rawValue)), ("claimActive", .bool(claimActive)),
      ("frozen", .bool(frozen)), ("frozenAt", .optional(frozenAt)),
      ("frozenReasons", .strings(frozenReasons.map(\.rawValue))),
      ("externalOrderId", .optional(externalOrderID?.rawValue)), ("orderedAt", .optional(orderedAt)),
      ("approvedAt", .optional(approvedAt)), ("coolingEndsAt", .optional(coolingEndsAt)),
      ("pendingSaga", .optional(pendingSaga?.document)), ("sagaRefusal", .optional(sagaRefusal?.document)),
      ("slotCheckDueAt", .optional(slotCheckDueAt)),
    ]
  }

  private var evidenceFields: [(String, BSONValue)] {
    [
      ("proofs", .document(BSONDocument(ProofType.allCases.map { ($0.rawValue, .optional(proofs[$0]?.document)) }))),
      (
        "verification",
        .document(BSONDocument(ReviewStep.allCases.map { ($0.rawValue, .optional(verification[$0]?.document)) }))
      ),
      (
        "proofVerdicts",
        .document(BSONDocument(ReviewStep.allCases.map { ($0.rawValue, .optional(proofVerdicts[$0]?.document)) }))
      ),
      ("rejection", .optional(rejection?.document)), ("reproofDeadline", .optional(reproofDeadline)),
      ("missingProofRequests", .documents(missingProofRequests.map(\.document))),
    ]
  }
}
