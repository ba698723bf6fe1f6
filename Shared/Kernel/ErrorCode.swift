/// The stable error codes of the product: the machine-readable half of every refusal.
///
/// A code never changes its meaning and never moves to another `kind`; programs match on `rawValue`, which travels
/// as `ErrorInfo.reason`, in the trailer `mobo-error-code` and as `code` of problem documents.
public enum ErrorCode: String, CaseIterable, Sendable {
  // invalidArgument — The request itself is wrong: fix it.
  case validationFailed = "VALIDATION_FAILED"
  case invalidCursor = "INVALID_CURSOR"
  case usernameRequired = "USERNAME_REQUIRED"
  case invalidInvite = "INVALID_INVITE"
  case inviteRoleMismatch = "INVITE_ROLE_MISMATCH"
  case invalidAllowedAgencies = "INVALID_ALLOWED_AGENCIES"
  case invalidBrand = "INVALID_BRAND"
  case noAssignments = "NO_ASSIGNMENTS"
  case invalidAmount = "INVALID_AMOUNT"
  case amountOutOfRange = "AMOUNT_OUT_OF_RANGE"
  case orderProofRequired = "ORDER_PROOF_REQUIRED"
  case orderIdRequired = "ORDER_ID_REQUIRED"
  case invalidProofImage = "INVALID_PROOF_IMAGE"
  case proofTooLarge = "PROOF_TOO_LARGE"
  case invalidOrderProof = "INVALID_ORDER_PROOF"
  case ratingVerificationFailed = "RATING_VERIFICATION_FAILED"
  case confirmationRequired = "CONFIRMATION_REQUIRED"
  case cannotSelfSuspend = "CANNOT_SELF_SUSPEND"
  case unsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE"
  case requestTooLarge = "REQUEST_TOO_LARGE"
  // unauthenticated — Nobody, or nobody we can believe: sign in.
  case unauthenticated = "UNAUTHENTICATED"
  case invalidToken = "INVALID_TOKEN"
  case tokenExpired = "TOKEN_EXPIRED"
  case invalidCredentials = "INVALID_CREDENTIALS"
  case sessionReused = "SESSION_REUSED"
  // permissionDenied — Known, but not allowed: stop.
  case forbidden = "FORBIDDEN"
  case userNotActive = "USER_NOT_ACTIVE"
  case upstreamSuspended = "UPSTREAM_SUSPENDED"
  case invalidMediatorCode = "INVALID_MEDIATOR_CODE"
  case selfVerificationForbidden = "SELF_VERIFICATION_FORBIDDEN"
  case settlementModeForbidden = "SETTLEMENT_MODE_FORBIDDEN"
  // notFound — No such thing: stop.
  case userNotFound = "USER_NOT_FOUND"
  case agencyNotFound = "AGENCY_NOT_FOUND"
  case mediatorNotFound = "MEDIATOR_NOT_FOUND"
  case brandNotFound = "BRAND_NOT_FOUND"
  case inviteNotFound = "INVITE_NOT_FOUND"
  case connectionNotFound = "CONNECTION_NOT_FOUND"
  case campaignNotFound = "CAMPAIGN_NOT_FOUND"
  case assignmentNotFound = "ASSIGNMENT_NOT_FOUND"
  case dealNotFound = "DEAL_NOT_FOUND"
  case reservationNotFound = "RESERVATION_NOT_FOUND"
  case orderNotFound = "ORDER_NOT_FOUND"
  case proofNotFound = "PROOF_NOT_FOUND"
  case ticketNotFound = "TICKET_NOT_FOUND"
  case walletNotFound = "WALLET_NOT_FOUND"
  case holdNotFound = "HOLD_NOT_FOUND"
  case payoutNotFound = "PAYOUT_NOT_FOUND"
  // alreadyExists — It is there already.
  case mobileAlreadyExists = "MOBILE_ALREADY_EXISTS"
  case emailAlreadyExists = "EMAIL_ALREADY_EXISTS"
  case usernameAlreadyExists = "USERNAME_ALREADY_EXISTS"
  case alreadyRequested = "ALREADY_REQUESTED"
  case duplicateDealOrder = "DUPLICATE_DEAL_ORDER"
  case duplicateExternalOrderId = "DUPLICATE_EXTERNAL_ORDER_ID"
  case duplicateProviderRef = "DUPLICATE_PROVIDER_REF"
  case duplicateEntry = "DUPLICATE_ENTRY"
  // failedPrecondition — Identity.
  case inviteExpired = "INVITE_EXPIRED"
  case invalidInviteParent = "INVALID_INVITE_PARENT"
  case inviteIssuerNotFound = "INVITE_ISSUER_NOT_FOUND"
  case inviteIssuerNotActive = "INVITE_ISSUER_NOT_ACTIVE"
  case inviteParentNotActive = "INVITE_PARENT_NOT_ACTIVE"
  case inviteUpstreamNotActive = "INVITE_UPSTREAM_NOT_ACTIVE"
  case inviteNotActive = "INVITE_NOT_ACTIVE"
  case inviteAlreadyUsed = "INVITE_ALREADY_USED"
  case userSuspended = "USER_SUSPENDED"
  case agencyNotActive = "AGENCY_NOT_ACTIVE"
  case mediatorNotActive = "MEDIATOR_NOT_ACTIVE"
  case missingMediatorCode = "MISSING_MEDIATOR_CODE"
  case brandSuspended = "BRAND_SUSPENDED"
  case noChange = "NO_CHANGE"
  case kycAlreadyVerified = "KYC_ALREADY_VERIFIED"
  case kycNotPending = "KYC_NOT_PENDING"
  case lastAdmin = "LAST_ADMIN"
  case userHasCampaigns = "USER_HAS_CAMPAIGNS"
  case userHasDeals = "USER_HAS_DEALS"
  case userHasOrders = "USER_HAS_ORDERS"
  case userHasChildren = "USER_HAS_CHILDREN"
  case userHasPayouts = "USER_HAS_PAYOUTS"
  case maintenanceMode = "MAINTENANCE_MODE"
  // failedPrecondition — Campaign.
  case campaignNotActive = "CAMPAIGN_NOT_ACTIVE"
  case campaignLocked = "CAMPAIGN_LOCKED"
  case campaignHasOrders = "CAMPAIGN_HAS_ORDERS"
  case illegalCampaignTransition = "ILLEGAL_CAMPAIGN_TRANSITION"
  case invalidEconomics = "INVALID_ECONOMICS"
  case assignmentExceedsTotalSlots = "ASSIGNMENT_EXCEEDS_TOTAL_SLOTS"
  case notOffered = "NOT_OFFERED"
  case offerInUse = "OFFER_IN_USE"
  case dealHasOrders = "DEAL_HAS_ORDERS"
  case soldOut = "SOLD_OUT"
  case soldOutForPartner = "SOLD_OUT_FOR_PARTNER"
  case capExceeded = "CAP_EXCEEDED"
  // failedPrecondition — Order.
  case missingMediatorLink = "MISSING_MEDIATOR_LINK"
  case buyerNotApproved = "BUYER_NOT_APPROVED"
  case orderFrozen = "ORDER_FROZEN"
  case orderNotFrozen = "ORDER_NOT_FROZEN"
  case frozenSuspension = "FROZEN_SUSPENSION"
  case frozenDispute = "FROZEN_DISPUTE"
  case orderFinalized = "ORDER_FINALIZED"
  case orderFraudFlagged = "ORDER_FRAUD_FLAGGED"
  case invalidWorkflowState = "INVALID_WORKFLOW_STATE"
  case illegalOrderTransition = "ILLEGAL_ORDER_TRANSITION"
  case illegalStatusTransition = "ILLEGAL_STATUS_TRANSITION"
  case orderAlreadySettled = "ORDER_ALREADY_SETTLED"
  case reproofWindowClosed = "REPROOF_WINDOW_CLOSED"
  case purchaseNotVerified = "PURCHASE_NOT_VERIFIED"
  case reviewNotVerified = "REVIEW_NOT_VERIFIED"
  case ratingNotVerified = "RATING_NOT_VERIFIED"
  case notRequired = "NOT_REQUIRED"
  case missingProof = "MISSING_PROOF"
  case missingProofs = "MISSING_PROOFS"
  case alreadyVerified = "ALREADY_VERIFIED"
  case coolingPeriodActive = "COOLING_PERIOD_ACTIVE"
  case invalidPayout = "INVALID_PAYOUT"
  case missingMediator = "MISSING_MEDIATOR"
  case missingBrand = "MISSING_BRAND"
  case notSettled = "NOT_SETTLED"
  case ticketNotClosed = "TICKET_NOT_CLOSED"
  // failedPrecondition — Wallet, and IDEMPOTENCY_MISMATCH of every service.
  case insufficientFunds = "INSUFFICIENT_FUNDS"
  case insufficientFundsForReversal = "INSUFFICIENT_FUNDS_FOR_REVERSAL"
  case balanceLimitExceeded = "BALANCE_LIMIT_EXCEEDED"
  case holdClosed = "HOLD_CLOSED"
  case idempotencyMismatch = "IDEMPOTENCY_MISMATCH"
  case invalidBeneficiary = "INVALID_BENEFICIARY"
  case brandNotActive = "BRAND_NOT_ACTIVE"
  case kycRequired = "KYC_REQUIRED"
  case payoutDestinationMissing = "PAYOUT_DESTINATION_MISSING"
  case payoutStateMismatch = "PAYOUT_STATE_MISMATCH"
  case payoutHasLedger = "PAYOUT_HAS_LEDGER"
  case payoutPending = "PAYOUT_PENDING"
  case walletNotEmpty = "WALLET_NOT_EMPTY"
  // aborted — Lost a race: send it again with the same request id.
  case walletConflict = "WALLET_CONFLICT"
  case concurrentModification = "CONCURRENT_MODIFICATION"
  case orderStateMismatch = "ORDER_STATE_MISMATCH"
  // resourceExhausted — A limit was reached: wait.
  case accountLocked = "ACCOUNT_LOCKED"
  case velocityLimit = "VELOCITY_LIMIT"
  case rateLimited = "RATE_LIMITED"
  case authRateLimited = "AUTH_RATE_LIMITED"
  case tooManyPending = "TOO_MANY_PENDING"
  case exportTooLarge = "EXPORT_TOO_LARGE"
  // unimplemented — No such method or route.
  case unimplemented = "UNIMPLEMENTED"
  case routeNotFound = "ROUTE_NOT_FOUND"
  case methodNotAllowed = "METHOD_NOT_ALLOWED"
  // unavailable — Cannot answer now: send it again with the same request id.
  case serviceUnavailable = "SERVICE_UNAVAILABLE"
  case databaseUnavailable = "DATABASE_UNAVAILABLE"
  case proofVerifierUnavailable = "PROOF_VERIFIER_UNAVAILABLE"
  // deadlineExceeded — Out of time: send it again with the same request id.
  case deadlineExceeded = "DEADLINE_EXCEEDED"
  case gatewayTimeout = "GATEWAY_TIMEOUT"
  // internal — Our fault: report it.
  case internalError = "INTERNAL_ERROR"
  case codeGenerationFailed = "CODE_GENERATION_FAILED"
}

extension ErrorCode {
  /// What the caller can do about it. Exhaustive on purpose: a new code does not compile until its kind is chosen.
  public var kind: FailureKind {
    switch self {
    case .validationFailed, .invalidCursor, .usernameRequired, .invalidInvite, .inviteRoleMismatch,
      .invalidAllowedAgencies, .invalidBrand, .noAssignments, .invalidAmount, .amountOutOfRange,
      .orderProofRequired, .orderIdRequired, .invalidProofImage, .proofTooLarge, .invalidOrderProof,
      .ratingVerificationFailed, .confirmationRequired, .cannotSelfSuspend, .unsupportedMediaType,
      .requestTooLarge:
      .invalidArgument
    case .unauthenticated, .invalidToken, .tokenExpired, .invalidCredentials, .sessionReused:
      .unauthenticated
    case .forbidden, .userNotActive, .upstreamSuspended, .invalidMediatorCode, .selfVerificationForbidden,
      .settlementModeForbidden:
      .permissionDenied
    case .userNotFound, .agencyNotFound, .mediatorNotFound, .brandNotFound, .inviteNotFound,
      .connectionNotFound, .campaignNotFound, .assignmentNotFound, .dealNotFound, .reservationNotFound,
      .orderNotFound, .proofNotFound, .ticketNotFound, .walletNotFound, .holdNotFound, .payoutNotFound:
      .notFound
    case .mobileAlreadyExists, .emailAlreadyExists, .usernameAlreadyExists, .alreadyRequested,
      .duplicateDealOrder, .duplicateExternalOrderId, .duplicateProviderRef, .duplicateEntry:
      .alreadyExists
    case .inviteExpired, .invalidInviteParent, .inviteIssuerNotFound, .inviteIssuerNotActive,
      .inviteParentNotActive, .inviteUpstreamNotActive, .inviteNotActive, .inviteAlreadyUsed, .userSuspended,
      .agencyNotActive, .mediatorNotActive, .missingMediatorCode, .brandSuspended, .noChange,
      .kycAlreadyVerified, .kycNotPending, .lastAdmin, .userHasCampaigns, .userHasDeals, .userHasOrders,
      .userHasChildren, .userHasPayouts, .maintenanceMode, .campaignNotActive, .campaignLocked,
      .campaignHasOrders, .illegalCampaignTransition, .invalidEconomics, .assignmentExceedsTotalSlots,
      .notOffered, .offerInUse, .dealHasOrders, .soldOut, .soldOutForPartner, .capExceeded,
      .missingMediatorLink, .buyerNotApproved, .orderFrozen, .orderNotFrozen, .frozenSuspension,
      .frozenDispute, .orderFinalized, .orderFraudFlagged, .invalidWorkflowState, .illegalOrderTransition,
      .illegalStatusTransition, .orderAlreadySettled, .reproofWindowClosed, .purchaseNotVerified,
      .reviewNotVerified, .ratingNotVerified, .notRequired, .missingProof, .missingProofs, .alreadyVerified,
      .coolingPeriodActive, .invalidPayout, .missingMediator, .missingBrand, .notSettled, .ticketNotClosed,
      .insufficientFunds, .insufficientFundsForReversal, .balanceLimitExceeded, .holdClosed,
      .idempotencyMismatch, .invalidBeneficiary, .brandNotActive, .kycRequired, .payoutDestinationMissing,
      .payoutStateMismatch, .payoutHasLedger, .payoutPending, .walletNotEmpty:
      .failedPrecondition
    case .walletConflict, .concurrentModification, .orderStateMismatch:
      .aborted
    case .accountLocked, .velocityLimit, .rateLimited, .authRateLimited, .tooManyPending, .exportTooLarge:
      .resourceExhausted
    case .unimplemented, .routeNotFound, .methodNotAllowed:
      .unimplemented
    case .serviceUnavailable, .databaseUnavailable, .proofVerifierUnavailable:
      .unavailable
    case .deadlineExceeded, .gatewayTimeout:
      .deadlineExceeded
    case .internalError, .codeGenerationFailed:
      .internal
    }
  }
}

extension ErrorCode {
  /// The code as people read it, the title of problem documents: `UPSTREAM_SUSPENDED` is "Upstream suspended".
  public var title: String {
    let words = rawValue.lowercased().split(separator: "_").joined(separator: " ")
    return words.prefix(1).uppercased() + words.dropFirst()
  }
}
