import Access
import Crypto
import Kernel
public import Messages
import OrderDomain
public import RPC

extension OrderService {
  public func createOrder(
    _ request: OrderV1.CreateOrderRequest, _ context: CallContext
  ) async throws -> OrderV1.CreateOrderResponse {
    let now = clock.now()
    try request.requireAmounts(rules, now: now)
    let key = try RequestKey(request, context)
    return try await once(key) { key in
      try await resumeCreation(key)
    } start: {
      try await create(request, context, key, now)
    }
  }

  /// The checks of DOMAIN 5.3 in their order, then the saga. Nil when a twin of this call was faster.
  private func create(
    _ request: OrderV1.CreateOrderRequest, _ context: CallContext, _ key: RequestKey?, _ now: Timestamp
  ) async throws -> OrderV1.CreateOrderResponse? {
    let principal = try context.principal()
    guard principal.parentCode != nil else {
      throw Failure(.missingMediatorLink, "the shopper has no mediator yet")
    }
    guard principal.isVerifiedByMediator else {
      throw Failure(.buyerNotApproved, "the mediator has not approved the shopper yet")
    }
    let images = try request.images(rules)
    let claim = try PurchaseClaim(request)
    let dealID = try DealID(request.dealId, path: "dealId")
    let preOrder = try await preOrder(request, of: principal, dealID: dealID, claim: claim, now: now)
    let shopper = try await shopper(principal)
    let terms = try await slots.deal(dealID, for: shopper, as: context.actor)
    try await refuseBadProof(images, claim)

    var order = try Creation.open(
      claim, on: terms, by: shopper, id: .generate(at: now), replacing: preOrder, rules: rules, actor: context.actor,
      request: key, now: now)
    let proofs = images.map { type, image in
      NewProof(
        orderID: order.id, type: type, version: 1, image: image, submittedBy: shopper.userID, submittedAt: now)
    }
    order = Creation.attach(proofs, duplicateOf: try await duplicate(of: proofs, order), to: order)
    guard try await store.open(order, replacing: preOrder, proofs: proofs, limits: rules.velocity) == .committed
    else { return nil }
    return try await drive(order)
  }

  /// The checks that need storage, made here to answer in the right order; `open` makes them again, for certain.
  ///
  /// Returns the redirected order that the new one continues: the one named, or the one for the same deal.
  private func preOrder(
    _ request: OrderV1.CreateOrderRequest, of principal: Principal, dealID: DealID, claim: PurchaseClaim,
    now: Timestamp
  ) async throws -> Order? {
    var preOrder: Order?
    if let text = request.preOrderId {
      let id = try OrderID(text, path: "preOrderId")
      preOrder = try Creation.checkPreOrder(try await store.order(id), of: principal.userID, dealID: dealID)
    }
    let facts = try await store.admissionFacts(
      shopper: principal.userID, deal: dealID, externalID: claim.externalOrderID, now: now)
    if preOrder == nil, let claim = facts.claim, claim.workflowStatus == .redirected, claim.pendingSaga == nil {
      preOrder = try Creation.checkPreOrder(claim, of: principal.userID, dealID: dealID)
    }
    try Creation.admit(facts, preOrder: preOrder, limits: rules.velocity, now: now)
    return preOrder
  }

  /// The shopper with the network above, fresh from identity.
  private func shopper(_ principal: Principal) async throws -> Shopper {
    guard let lineage = try await directory.lineage(of: principal.userID) else {
      throw Failure(.userNotActive, "the account is gone")
    }
    guard let mediatorCode = lineage.mediator?.code else {
      throw Failure(.missingMediatorLink, "the shopper has no mediator yet")
    }
    guard let agency = lineage.agency, let agencyCode = agency.code else {
      throw Failure(.upstreamSuspended, "the agency above is missing")
    }
    return Shopper(
      userID: principal.userID, name: principal.name, mobile: principal.mobile, mediatorCode: mediatorCode,
      agencyCode: agencyCode, agencyName: agency.name)
  }

  private func refuseBadProof(_ images: [(ProofType, ProofImage)], _ claim: PurchaseClaim) async throws {
    guard let image = images.first(where: { $0.0 == .order })?.1 else { return }
    let total = try claim.unitPrice.multiplied(by: Int64(claim.quantity))
    let verdict: PurchaseVerdict?
    do {
      verdict = try await verifier.purchase(
        image, expectedOrderID: claim.externalOrderID, expectedAmount: total)
    } catch {
      guard !rules.proofVerifierRequired else {
        throw Failure(.proofVerifierUnavailable, "the proof cannot be checked now: send it again")
      }
      verdict = nil
    }
    try verdict?.requireCredible(rules)
  }

  /// Another order with the same purchase picture; noted for the reviewers, not refused.
  private func duplicate(of proofs: [NewProof], _ order: Order) async throws -> OrderID? {
    guard let purchase = proofs.first(where: { $0.type == .order }) else { return nil }
    return try await store.order(withProof: purchase.image.sha256, otherThan: order.id)
  }

  private func resumeCreation(_ key: RequestKey) async throws -> OrderV1.CreateOrderResponse? {
    guard let order = try await store.openCreation(for: key) else { return nil }
    guard let claimed = try await runner.claim(order) else {
      try await runner.awaitEnd(of: order)
      return nil
    }
    return try await drive(claimed)
  }

  private func drive(_ order: Order) async throws -> OrderV1.CreateOrderResponse {
    let ending = try await CreateOrderSaga(runner).drive(order)
    return OrderV1.CreateOrderResponse(order: OrderV1.Order(ending.order, .buyer), replayed: ending.observed)
  }
}

extension OrderV1.CreateOrderRequest {
  /// Guard 4, as far as the proto's own rules do not see to it.
  fileprivate func requireAmounts(_ rules: OrderRules, now: Timestamp) throws(Failure) {
    guard unitPricePaise >= 1 else {
      throw Failure(
        .invalidAmount, "unitPricePaise must be at least 1",
        violations: [FieldViolation("unitPricePaise", "must be at least 1")])
    }
    guard unitPricePaise <= rules.priceMax.paise else {
      throw Failure(
        .amountOutOfRange, "unitPricePaise must be at most \(rules.priceMax.paise)",
        violations: [FieldViolation("unitPricePaise", "must be at most \(rules.priceMax.paise)")])
    }
    if let date = orderDate?.kernel, date > now.advanced(by: .seconds(86_400)) {
      throw .validation("orderDate", "must be at most a day ahead")
    }
  }

  /// Fails with `ORDER_PROOF_REQUIRED`, `INVALID_PROOF_IMAGE`, `PROOF_TOO_LARGE`.
  fileprivate func images(_ rules: OrderRules) throws(Failure) -> [(ProofType, ProofImage)] {
    guard purchaseProof != nil || !rules.proofRequiredAtCreate else {
      throw Failure(
        .orderProofRequired, "a picture of the purchase is required",
        violations: [FieldViolation("purchaseProof", "is required")])
    }
    var images: [(ProofType, ProofImage)] = []
    let given: [(ProofType, CommonV1.Image?, String)] = [
      (.order, purchaseProof, "purchaseProof.data"), (.payment, paymentProof, "paymentProof.data"),
    ]
    for (type, image, path) in given {
      guard let image else { continue }
      let checked = try ProofImage(image.data, sizes: rules.proofBytes, path: path) { bytes in
        SHA256.hash(data: bytes).hex
      }
      images.append((type, checked))
    }
    return images
  }
}

extension PurchaseClaim {
  fileprivate init(_ request: OrderV1.CreateOrderRequest) throws(Failure) {
    self.init(
      externalOrderID: try ExternalOrderID(parsing: request.externalOrderId), quantity: request.quantity,
      unitPrice: Money(paise: request.unitPricePaise), orderDate: request.orderDate?.kernel, soldBy: request.soldBy,
      extractedProductName: request.extractedProductName, reviewerName: request.reviewerName)
  }
}
