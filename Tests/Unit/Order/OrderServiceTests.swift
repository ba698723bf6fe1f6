import Access
import Kernel
import Logging
import Messages
import OrderMemory
import RPC
import Stubs
import Testing

@testable import OrderAPI
@testable import OrderDomain

/// The RPCs with their neighbours in memory.
private struct Harness: Sendable {
  let store = InMemoryOrderStore()
  let slots: FakeSlots
  let wallet: FakeWallet
  let clock = ManualClock()
  let service: OrderService

  init(free: Int = 100, balance: Int64 = 1_000_000) {
    slots = FakeSlots(free: free)
    wallet = FakeWallet(balance: balance)
    let runner = SagaRunner(
      store: store, slots: slots, funds: wallet, answers: WireSagaAnswers(), clock: clock,
      pause: { _ in await Task.yield() })
    let directory = FakeDirectory()
    service = OrderService(
      runner: runner, holding: FundsHolding(store: store, funds: wallet, directory: directory, clock: clock),
      directory: directory, verifier: ManualProofVerifier(), rules: OrderRules(), logger: Logger(label: "test"))
  }

  func context(_ role: Role, _ method: MethodDescriptor, verified: Bool = true, parent: Bool = true) -> CallContext {
    let viewer = Make.viewer(role)
    let principal = Principal(
      userID: viewer.userID, name: "Asha", mobile: viewer.mobile, roles: viewer.roles, status: .active,
      mediatorCode: viewer.code, parentCode: role == .shopper && parent ? Make.mediatorCode : nil,
      isVerifiedByMediator: verified)
    var context = CallContext(method: method)
    context[CallerKey.self] = .user(principal, token: "t")
    return context
  }

  static let png: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 1]

  static func request(
    _ requestID: String = "c-1", externalID: String = "403-1", price: Int64 = 99_900,
    proof: [UInt8]? = png
  ) -> OrderV1.CreateOrderRequest {
    OrderV1.CreateOrderRequest(
      requestId: requestID, dealId: Make.dealID.rawValue, externalOrderId: externalID, quantity: 1,
      unitPricePaise: price, purchaseProof: proof.map { CommonV1.Image(data: $0) })
  }

  func create(
    _ request: OrderV1.CreateOrderRequest = request(), verified: Bool = true, parent: Bool = true
  ) async throws -> OrderV1.CreateOrderResponse {
    try await service.createOrder(
      request, context(.shopper, OrderServiceMethods.createOrder, verified: verified, parent: parent))
  }

  func verify(_ orderID: String, _ requestID: String = "v-1") async throws -> OrderV1.VerifyPurchaseResponse {
    try await service.verifyPurchase(
      OrderV1.VerifyPurchaseRequest(requestId: requestID, orderId: orderID),
      context(.mediator, OrderServiceMethods.verifyPurchase))
  }

  func settle(
    _ orderID: String, _ requestID: String = "s-1", by role: Role = .agency, ref: String? = nil
  ) async throws -> OrderV1.SettleOrderResponse {
    try await service.settleOrder(
      OrderV1.SettleOrderRequest(requestId: requestID, orderId: orderID, settlementRef: ref),
      context(role, OrderServiceMethods.settleOrder))
  }

  /// An order whose cooling is over.
  func payable() async throws -> String {
    let id = try #require(try await create().order?.id)
    _ = try await verify(id)
    clock.advance(by: .seconds(14 * 86_400))
    return id
  }

  func get(_ orderID: String, as role: Role) async throws -> OrderV1.Order {
    let response = try await service.getOrder(
      OrderV1.GetOrderRequest(orderId: orderID), context(role, OrderServiceMethods.getOrder))
    return try #require(response.order)
  }
}

private func code(_ body: () async throws -> Void) async -> ErrorCode? {
  do {
    try await body()
    return nil
  } catch { return Failure.visible(error).code }
}

@Suite("RPCs of the order service")
struct OrderServiceTests {
  @Test("the main flow: created, approved with its hold, settled, and every repeat is a replay")
  func mainFlow() async throws {
    let harness = Harness()
    let created = try await harness.create()
    let order = try #require(created.order)
    #expect(!created.replayed)
    #expect(order.workflowStatus == .underReview)
    #expect(order.commissionPaise == 5_000)
    #expect(order.payoutPaise == nil)
    #expect(order.proofs?.order?.present == true)
    #expect(order.proofs?.payment?.present == false)

    let verified = try await harness.verify(order.id)
    #expect(verified.approved)
    #expect(verified.order?.fundsHold == .held)
    harness.clock.advance(by: .seconds(14 * 86_400))
    let settled = try await harness.settle(order.id)
    #expect(settled.outcome == .settled)
    #expect(settled.order?.settlement?.seq == 1)

    var again = try await harness.create()
    #expect(again.replayed)
    again.replayed = false
    #expect(again == created)
    let verifiedAgain = try await harness.verify(order.id)
    #expect(verifiedAgain.replayed)
    #expect(verifiedAgain.order == verified.order)
    let settledAgain = try await harness.settle(order.id)
    #expect(settledAgain.replayed)
    #expect(settledAgain.order == settled.order)
    #expect(await harness.wallet.posted.count == 1)
    #expect(await code { _ = try await harness.settle(order.id, "s-2") } == .invalidWorkflowState)
  }

  @Test("the same request id with another body is refused")
  func mismatch() async throws {
    let harness = Harness()
    let id = try await harness.payable()
    #expect(
      await code { _ = try await harness.create(Harness.request(externalID: "403-2")) } == .idempotencyMismatch)
    _ = try await harness.settle(id)
    #expect(await code { _ = try await harness.settle(id, ref: "UTR-1") } == .idempotencyMismatch)
  }

  @Test("what CreateOrder refuses, in its order")
  func creationRefusals() async throws {
    let harness = Harness()
    let bad = Harness.request(externalID: " ", proof: nil)
    #expect(await code { _ = try await harness.create(bad, verified: false, parent: false) } == .missingMediatorLink)
    #expect(await code { _ = try await harness.create(bad, verified: false) } == .buyerNotApproved)
    #expect(await code { _ = try await harness.create(bad) } == .orderProofRequired)
    #expect(
      await code { _ = try await harness.create(Harness.request(externalID: " ", proof: [])) }
        == .invalidProofImage)
    #expect(await code { _ = try await harness.create(Harness.request(externalID: " ")) } == .orderIdRequired)
    #expect(await code { _ = try await harness.create(Harness.request(price: 0)) } == .invalidAmount)
    #expect(await code { _ = try await harness.create(Harness.request(price: 100_000_001)) } == .amountOutOfRange)
    var preOrder = Harness.request()
    preOrder.preOrderId = "65f0c0ffee65f0c0ffee65f0"
    #expect(await code { _ = try await harness.create(preOrder) } == .orderNotFound)
    _ = try await harness.create()
    #expect(await code { _ = try await harness.create(Harness.request("c-2")) } == .duplicateExternalOrderId)
    #expect(
      await code { _ = try await harness.create(Harness.request("c-3", externalID: "403-2")) } == .duplicateDealOrder)
  }

  @Test("the last slot goes to one order, and the loser may use its external id again")
  func soldOut() async throws {
    let harness = Harness(free: 0)
    #expect(await code { _ = try await harness.create() } == .soldOut)
    #expect(await code { _ = try await harness.create() } == .soldOut)
  }

  @Test("the picture of an order that nothing came of is no duplicate in the next try")
  func pictureTriedAgain() async throws {
    let harness = Harness(free: 0)
    #expect(await code { _ = try await harness.create() } == .soldOut)
    #expect(await harness.store.proofs.isEmpty)
    await harness.slots.setFree(1)
    let text = try #require(try await harness.create().order?.id)
    let id = try #require(OrderID(text))
    let verdict = try #require(await harness.store.stored(id)?.proofVerdicts[.order])
    #expect(verdict.duplicateOf == nil)
  }

  @Test("a call sent twice at once has one effect and two equal answers")
  func twins() async throws {
    let harness = Harness()
    async let first = harness.create()
    async let second = harness.create()
    let answers = try await [first, second]
    #expect(answers[0].order == answers[1].order)
    #expect(answers.count { $0.replayed } == 1)
    #expect(await harness.slots.free == 99)
    let id = try #require(answers[0].order?.id)
    _ = try await harness.verify(id)
    harness.clock.advance(by: .seconds(14 * 86_400))
    async let left = harness.settle(id)
    async let right = harness.settle(id)
    let settled = try await [left, right]
    #expect(settled.map(\.outcome) == [.settled, .settled])
    #expect(settled.count { $0.replayed } == 1)
    #expect(await harness.wallet.posted.count == 1)
  }

  @Test("a call sent many times at once has one effect, and exactly one answer is no replay")
  func crowd() async throws {
    let harness = Harness()
    let answers = try await withThrowingTaskGroup(of: OrderV1.CreateOrderResponse.self) { group in
      for _ in 0..<12 { group.addTask { try await harness.create() } }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(Set(answers.map { $0.order?.id }).count == 1)
    #expect(answers.count { !$0.replayed } == 1)
    #expect(await harness.slots.free == 99)
  }

  @Test("a settlement whose outcome is unknown is finished at once by its repeat")
  func repeatFinishes() async throws {
    let harness = Harness()
    let id = try await harness.payable()
    for call in 1...3 { await harness.wallet.fail("settle", call: call, .replyLost) }
    #expect(await code { _ = try await harness.settle(id) } == .serviceUnavailable)
    let other = await code { _ = try await harness.settle(id, "s-2") }
    #expect(other == .invalidWorkflowState)
    #expect(try await harness.settle(id).outcome == .settled)
    #expect(await harness.wallet.posted.count == 1)
  }

  @Test("a creation whose outcome is unknown is finished at once by its repeat", arguments: [false, true])
  func repeatCreates(replyLost: Bool) async throws {
    let harness = Harness(free: 1)
    await harness.slots.fail("reserve", replyLost ? .replyLost : .requestLost)
    #expect(await code { _ = try await harness.create() } == .serviceUnavailable)
    #expect(try await harness.create().order?.workflowStatus == .underReview)
  }

  @Test("without money the approval stands, settlement is refused, and works with the same id after a deposit")
  func unfunded() async throws {
    let harness = Harness(balance: 0)
    let id = try await harness.payable()
    #expect(try await harness.get(id, as: .agency).fundsHold == .unfunded)
    #expect(await code { _ = try await harness.settle(id) } == .insufficientFunds)
    #expect(try await harness.get(id, as: .agency).workflowStatus == .approved)
    await harness.wallet.deposit(10_000)
    #expect(try await harness.settle(id).outcome == .settled)
  }

  @Test("an open ticket freezes the settlement, and that answer is remembered")
  func dispute() async throws {
    let harness = Harness()
    let id = try await harness.payable()
    let orderID = try #require(OrderID(id))
    await harness.store.openTicket("t-1", on: orderID)
    #expect(await code { _ = try await harness.settle(id) } == .frozenDispute)
    #expect(try await harness.get(id, as: .agency).affiliateStatus == .frozenDisputed)
    await harness.store.closeTickets(on: orderID)
    #expect(await code { _ = try await harness.settle(id) } == .frozenDispute)
    #expect(try await harness.settle(id, "s-2").outcome == .settled)
  }

  @Test("everybody sees what DOMAIN 5.8 allows")
  func redaction() async throws {
    let harness = Harness()
    let id = try #require(try await harness.create().order?.id)
    let brand = try await harness.get(id, as: .brand)
    #expect(brand.userId == nil && brand.buyerName == nil && brand.buyerMobile == nil && brand.reviewerName == nil)
    #expect(brand.proofs?.order == OrderV1.ProofState(present: true))
    #expect(brand.payoutPaise == 10_000 && brand.marginPaise == nil)
    let mediator = try await harness.get(id, as: .mediator)
    #expect(mediator.buyerName == "Asha" && mediator.marginPaise == 5_000)
    #expect(mediator.proofs?.order?.version == 1)
    let shopper = try await harness.get(id, as: .shopper)
    #expect(shopper.buyerName == "Asha" && shopper.payoutPaise == nil && shopper.marginPaise == nil)
    #expect(await code { _ = try await harness.get("65f0c0ffee65f0c0ffee65f0", as: .ops) } == .orderNotFound)
  }

  @Test("mediators may not settle from wallets, and only staff may shorten cooling")
  func separationOfDuties() async throws {
    let harness = Harness()
    let id = try await harness.payable()
    #expect(await code { _ = try await harness.settle(id, by: .mediator) } == .settlementModeForbidden)
    let override = OrderV1.SettleOrderRequest(requestId: "o", orderId: id, overrideCooling: true)
    #expect(
      await code {
        _ = try await harness.service.settleOrder(override, harness.context(.agency, OrderServiceMethods.settleOrder))
      } == .forbidden)
    let external = OrderV1.SettleOrderRequest(
      requestId: "e", orderId: id, mode: .external, settlementRef: "UTR-1")
    let settled = try await harness.service.settleOrder(
      external, harness.context(.mediator, OrderServiceMethods.settleOrder))
    #expect(settled.order?.settlement?.mode == .external)
    #expect(await harness.wallet.posted.isEmpty)
  }

  @Test("every value of the domain has its wire value")
  func spelling() {
    #expect(WorkflowStatus.allCases.allSatisfy { OrderV1.WorkflowStatus(stored: $0.rawValue) != nil })
    #expect(DeliveryStatus.allCases.allSatisfy { OrderV1.DeliveryStatus(stored: $0.rawValue) != nil })
    #expect(PaymentStatus.allCases.allSatisfy { OrderV1.PaymentStatus(stored: $0.rawValue) != nil })
    #expect(AffiliateStatus.allCases.allSatisfy { OrderV1.AffiliateStatus(stored: $0.rawValue) != nil })
    #expect(ProofType.allCases.allSatisfy { OrderV1.ProofType(stored: $0.rawValue) != nil })
    #expect(FundsHold.allCases.allSatisfy { OrderV1.FundsHold(stored: $0.rawValue) != nil })
    #expect(SettlementMode.allCases.allSatisfy { OrderV1.SettlementMode(stored: $0.rawValue) != nil })
    #expect(SettlementOutcome.allCases.allSatisfy { OrderV1.SettlementOutcome(stored: $0.rawValue) != nil })
    #expect(DealType.allCases.allSatisfy { CommonV1.DealType(stored: $0.rawValue) != nil })
    #expect(OwnerKind.allCases.allSatisfy { CommonV1.OwnerKind(stored: $0.rawValue) != nil })
  }
}
