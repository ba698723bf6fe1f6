import Kernel
import Mongo
import OrderDomain
import OrderMemory
import OrderStorage
import TestKit

/// Values of which a contract test states only what it is about.
enum OrderFixture {
  static let start = Timestamp(milliseconds: 1_750_000_000_000)
  static let shopperID: UserID = id(0xa1)
  static let actor = Actor(
    id: shopperID.rawValue, roles: [.shopper], requestID: "correlation",
    client: ClientDescription(ip: "192.0.2.7", userAgent: "tests/1"))

  /// The id whose last digits are `number`.
  static func id<Subject>(_ number: Int) -> ID<Subject> {
    let digits = String(number, radix: 16)
    return ID(known: String(repeating: "0", count: 24 - digits.count) + digits)
  }

  static func code(_ text: String) -> PartyCode {
    guard let code = PartyCode(text) else { preconditionFailure("a test uses the malformed code \(text)") }
    return code
  }

  static func key(_ requestID: String, fingerprint: String = "f1") -> RequestKey {
    RequestKey(callerID: shopperID.rawValue, rpc: "CreateOrder", requestID: requestID, fingerprint: fingerprint)
  }

  static func image(_ digest: String = "d1") -> ProofImage {
    ProofImage(stored: [0xFF, 0xD8, 0xFF, 1], kind: .jpeg, sha256: digest)
  }

  static func proof(of order: OrderID, digest: String = "d1") -> NewProof {
    NewProof(
      orderID: order, type: .order, version: 1, image: image(digest), submittedBy: shopperID, submittedAt: start)
  }

  /// A stub that waits for its slot.
  static func stub(
    _ number: Int, deal: Int? = nil, externalID: String? = nil, shopper: UserID = shopperID,
    request: RequestKey? = nil, replacing preOrder: Order? = nil, at now: Timestamp = start
  ) throws -> Order {
    let terms = DealTerms(
      dealID: id(deal ?? 0xd00 + number), campaignID: id(0xc1), ownerUserID: id(0xb1), ownerKind: .brand,
      brandName: "Brand A", title: "Demo", image: "https://example.com/image", platform: "Amazon",
      dealType: .review, commission: Money(paise: 5_000), payout: Money(paise: 10_000), returnWindowDays: 14)
    let person = Shopper(
      userID: shopper, name: "Asha", mobile: "9000000004", mediatorCode: code("MED_TEST"),
      agencyCode: code("AGY_TEST"), agencyName: "Agency A")
    let claim = PurchaseClaim(
      externalOrderID: try ExternalOrderID(parsing: externalID ?? "EXT-\(number)"), quantity: 2,
      unitPrice: Money(paise: 49_900), orderDate: start, soldBy: "Seller", extractedProductName: nil,
      reviewerName: "Asha R")
    let order = try Creation.open(
      claim, on: terms, by: person, id: id(number), replacing: preOrder, rules: OrderRules(), actor: actor,
      request: request, now: now)
    return Creation.attach([proof(of: order.id)], duplicateOf: id(0xff), to: order)
  }

  /// What TrackRedirect leaves: a shopper who went to the marketplace and has not come back.
  static func preOrder(_ number: Int) throws -> Order {
    var order = try stub(number)
    order.workflowStatus = .redirected
    order.pendingSaga = nil
    order.externalOrderID = nil
    order.proofs = [:]
    order.proofVerdicts = [:]
    order.item = OrderItem(
      title: order.item.title, image: order.item.image, platform: order.item.platform,
      brandName: order.item.brandName, dealType: order.item.dealType, quantity: 1, unitPrice: .zero)
    order.total = .zero
    order.orderDate = nil
    order.soldBy = nil
    order.reviewerName = nil
    return order
  }

  /// An order in the review queue.
  static func reviewed(_ number: Int, in store: any OrderStore) async throws -> Order {
    let stub = try stub(number)
    guard try await store.open(stub, replacing: nil, proofs: [], limits: VelocityLimits()) == .committed else {
      throw Failure(.internalError, "the fixture could not be opened")
    }
    let change = try Creation.confirm(stub, now: start)
    guard try await store.commit(change, .none) == .committed else {
      throw Failure(.internalError, "the fixture could not be confirmed")
    }
    return change.after
  }
}

extension StoreKind {
  /// A store of this kind, empty and gone afterwards.
  func withOrderStore(_ body: (any OrderStore) async throws -> Void) async throws {
    switch self {
    case .memory: try await body(InMemoryOrderStore())
    case .mongo:
      try await TestMongo.withMongo("order", migrations: OrderMigrations.all) { mongo in
        try await body(MongoOrderStore(mongo.database))
      }
    }
  }
}

extension OrderChange {
  /// Gives every part of the order a value that is not its default.
  mutating func fillForTests(at now: Timestamp) {
    record(.verified, ["step": "order"])
    edit { order in
      order.heldAffiliateStatus = .pendingCooling
      order.affiliateStatus = .frozenDisputed
      order.paymentStatus = .refunded
      order.status = .shipped
      order.frozenAt = now
      order.frozenReasons = [.agency, .user]
      order.verification[.order] = VerificationState(
        verifiedAt: now, verifiedBy: "SYSTEM_AI", autoVerified: true, confidenceScore: 95)
      order.rejection = Rejection(type: .review, reason: "blurred", at: now, by: "x", final: false)
      order.missingProofRequests = [
        MissingProofRequest(type: .review, note: "please", requestedAt: now, requestedBy: "x")
      ]
      order.reproofDeadline = now
      order.approvedAt = now
      order.coolingEndsAt = now
      order.fundsHold = .held
      order.holdSeq = 3
      order.holdRequestedBy = OrderFixture.actor
      order.sagaRefusal = SagaRefusal(startedAt: now, refusal: Refusal(code: .soldOut, message: "no slot"))
      order.voidedSettlementTries = 2
      order.settlement = Settlement(seq: 1, mode: .external, ref: "UTR", settledAt: now, settledBy: "x")
      let plan = SettlementPlan(
        step: .unconsumeSlot, seq: 2, mode: .wallet, ref: "UTR", overrideCooling: true,
        mediatorUserID: OrderFixture.id(0xe1),
        refusal: Refusal(code: .insufficientFunds, message: "not enough money"))
      order.pendingSaga = PendingSaga(
        plan: .settling(plan), startedAt: now, touchedAt: now, attempt: 2, actor: OrderFixture.actor,
        request: OrderFixture.key("r-9"))
    }
  }

  /// Approved by hand, with the hold asked for.
  mutating func approveForTests() {
    let now = now
    edit { order in
      order.workflowStatus = .approved
      order.approvedAt = now
      order.fundsHold = .requested
      order.holdSeq = 1
    }
  }
}
