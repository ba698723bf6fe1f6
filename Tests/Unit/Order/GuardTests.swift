import Kernel
import OrderMemory
import Testing

@testable import OrderDomain

/// Everything wrong at once; guards are then lifted one after the other, and the next one must answer.
@Suite("Guards of review and settlement")
struct GuardTests {
  private func code(_ body: () throws -> Void) -> ErrorCode? {
    do {
      try body()
      return nil
    } catch { return (error as? Failure)?.code }
  }

  @Test("a review is refused by the first guard that fails")
  func reviewOrder() throws {
    var order = try Make.approved()
    order.frozen = true
    order.affiliateStatus = .fraudAlert
    let outsider = Viewer(
      userID: Make.mediatorID, mobile: "9000000002", roles: [.mediator], code: PartyCode("MED_OTHER"))
    #expect(code { try Review.requireScope(outsider, on: order) } == .forbidden)
    #expect(code { try Review.requireScope(Make.viewer(.brand), on: order) } == .forbidden)
    #expect(code { try Review.requireScope(Make.viewer(.shopper), on: order) } == .forbidden)

    let viewer = Make.viewer(.mediator)
    func admit(_ parties: OrderParties, _ rules: OrderRules = OrderRules()) -> ErrorCode? {
      code { try Review.admit(viewer, on: order, parties: parties, rules: rules) }
    }
    let suspended = Make.parties(acting: .mediator, suspended: .brand)
    #expect(
      admit(Make.parties(acting: .mediator, suspended: .brand, fingerprints: ["x"])) == .selfVerificationForbidden)
    #expect(admit(suspended) == .orderFrozen)
    order.frozen = false
    #expect(admit(suspended) == .frozenSuspension)
    let fine = Make.parties(acting: .mediator)
    #expect(admit(fine) == .orderFraudFlagged)
    order.affiliateStatus = .unchecked
    #expect(admit(fine) == .invalidWorkflowState)
    order.workflowStatus = .underReview
    #expect(admit(fine) == nil)
    var strict = OrderRules()
    strict.strictMediatorVerification = true
    #expect(admit(fine, strict) == .selfVerificationForbidden)
    #expect(code { try Review.admit(Make.viewer(.agency), on: order, parties: fine, rules: strict) } == nil)
  }

  @Test(
    "mediator, agency and owner must be active for a review, the shopper need not",
    arguments: [.mediator, .agency, .brand, .shopper] as [Role])
  func reviewSuspension(role: Role) throws {
    let order = try Make.underReview()
    let expected: ErrorCode? = role == .shopper ? nil : .frozenSuspension
    for parties in [Make.parties(suspended: role), Make.parties(missing: role)] {
      let found = code { try Review.admit(Make.viewer(.admin), on: order, parties: parties, rules: OrderRules()) }
      #expect(found == expected)
    }
  }

  @Test("nobody reviews an order of their own, whatever makes them the same person")
  func selfDealing() throws {
    let order = try Make.underReview()
    let sameID = Viewer(userID: Make.shopperID, mobile: "9111111111", roles: [.admin], code: nil)
    let sameMobile = Viewer(userID: Make.staffID, mobile: order.buyerMobile, roles: [.admin], code: nil)
    for viewer in [sameID, sameMobile] {
      #expect(
        code { try Review.admit(viewer, on: order, parties: Make.parties(acting: .admin), rules: OrderRules()) }
          == .selfVerificationForbidden)
    }
    let sameAccount = Make.parties(acting: .admin, fingerprints: ["digest of a bank account"])
    #expect(
      code { try Review.admit(Make.viewer(.admin), on: order, parties: sameAccount, rules: OrderRules()) }
        == .selfVerificationForbidden)
  }

  private func settle(
    _ order: Order, by role: Role = .agency, mode: SettlementMode = .wallet, override: Bool = false,
    parties: OrderParties = Make.parties(), tickets: [String] = [], at now: Timestamp = .start.plus(.seconds(1_209_600))
  ) throws -> SettlementRules.Verdict {
    try SettlementRules.decide(
      SettlementRequest(mode: mode, ref: nil, overrideCooling: override), on: order, by: Make.viewer(role),
      actor: Make.actor(role), parties: parties, openTickets: tickets, key: nil, now: now)
  }

  @Test("a settlement is refused by the first guard that fails")
  func settlementOrder() throws {
    var order = try Make.underReview()
    order.frozen = true
    order.affiliateStatus = .fraudAlert
    let own = Make.parties(acting: .mediator, suspended: .shopper, fingerprints: ["x"])
    let suspended = Make.parties(acting: .mediator, suspended: .shopper)
    #expect(code { _ = try settle(order, by: .mediator, parties: own) } == .selfVerificationForbidden)
    #expect(code { _ = try settle(order, by: .mediator, parties: suspended) } == .settlementModeForbidden)
    #expect(code { _ = try settle(order, parties: suspended) } == .orderFrozen)
    order.frozen = false
    #expect(code { _ = try settle(order, parties: suspended) } == .frozenSuspension)
    #expect(code { _ = try settle(order) } == .orderFraudFlagged)
    order.affiliateStatus = .unchecked
    #expect(code { _ = try settle(order, tickets: ["t"]) } == .invalidWorkflowState)
    order = try Make.approved()
    guard case .frozenDispute(let change, _) = try settle(order, tickets: ["t"], at: .start) else {
      Issue.record("an open ticket must freeze the order")
      return
    }
    #expect(change.after.affiliateStatus == .frozenDisputed)
    #expect(change.after.heldAffiliateStatus == .pendingCooling)
    #expect(change.audit.map(\.action) == [.frozenDisputed])
    #expect(code { _ = try settle(change.after, tickets: ["t"], at: .start) } == .frozenDispute)
    #expect(code { _ = try settle(order, at: .start) } == .coolingPeriodActive)
  }

  @Test("cooling ends at its last moment, and staff may end it earlier")
  func cooling() throws {
    let order = try Make.approved()
    let end = Timestamp.start.plus(.seconds(14 * 86_400))
    #expect(order.coolingEndsAt == end)
    #expect(code { _ = try settle(order, at: end.plus(.milliseconds(-1))) } == .coolingPeriodActive)
    #expect(code { _ = try settle(order, at: end) } == nil)
    #expect(code { _ = try settle(order, by: .admin, override: true, at: .start) } == nil)
    let request = SettlementRequest(mode: .wallet, ref: nil, overrideCooling: true)
    #expect(code { try SettlementRules.requireRole(Make.viewer(.agency), for: request) } == .forbidden)
    #expect(code { try SettlementRules.requireRole(Make.viewer(.ops), for: request) } == nil)
  }

  @Test("wallet settlements need something to pay and somebody to pay it to")
  func payable() throws {
    let free = try Make.approved(Make.deal(commission: 0, payout: 0))
    #expect(free.fundsHold == .none)
    #expect(free.holdSeq == 0)
    #expect(code { _ = try settle(free) } == .invalidPayout)
    #expect(code { _ = try settle(free, by: .mediator, mode: .external, parties: Make.parties()) } == nil)
    let order = try Make.approved()
    #expect(code { _ = try settle(order, parties: Make.parties(missing: .mediator)) } == .missingMediator)
    #expect(code { _ = try settle(order, parties: Make.parties(missing: .brand)) } == .missingBrand)
    #expect(
      code { _ = try settle(order, mode: .external, parties: Make.parties(missing: .brand)) } == .frozenSuspension)
    #expect(code { _ = try settle(order, parties: Make.parties(missing: .shopper)) } == .frozenSuspension)
  }
}

@Suite("Review")
struct ReviewTests {
  @Test("a discount order is approved with its purchase")
  func discount() throws {
    let result = try Review.verifyPurchase(try Make.underReview(), by: Make.actor(.mediator), now: .start)
    #expect(result.approved)
    #expect(result.order.affiliateStatus == .pendingCooling)
    #expect(result.order.fundsHold == .requested)
    #expect(result.order.holdSeq == 1)
    #expect(result.order.verification[.order]?.verifiedBy == Make.mediatorID.rawValue)
    #expect(result.change?.audit.map(\.action) == [.verified, .workflowTransition])
  }

  @Test("a review order still misses its other steps, and verifying the purchase again changes nothing")
  func review() throws {
    let first = try Review.verifyPurchase(try Make.underReview(Make.deal(.review)), by: .system, now: .start)
    #expect(!first.approved)
    #expect(first.order.missingProofs == [.review, .returnWindow])
    #expect(first.order.missingVerifications == [.review, .returnWindow])
    let second = try Review.verifyPurchase(first.order, by: .system, now: .start)
    #expect(second.change == nil)
    #expect(second.reason == "ALREADY_VERIFIED")
  }

  @Test("verifying all needs all proofs and otherwise verifies nothing")
  func verifyAll() throws {
    var order = try Make.underReview(Make.deal(.rating))
    #expect { try Review.verifyAll(order, by: .system, now: .start) } throws: { error in
      let failure = error as? Failure
      return failure?.code == .missingProofs && failure?.metadata["missingProofs"] == "rating,returnWindow"
    }
    for type in [ProofType.rating, .returnWindow] {
      order.proofs[type] = ProofState(version: 1, submittedAt: .start, sha256: nil)
    }
    let result = try Review.verifyAll(order, by: .system, now: .start)
    #expect(result.approved)
    #expect(
      result.order.events.filter { $0.type == .verified }.map { $0.metadata["step"] } == [
        "order", "rating", "returnWindow",
      ])
  }

  @Test("an order without a purchase proof cannot be verified")
  func missingProof() throws {
    var order = try Make.underReview()
    order.proofs = [:]
    #expect { try Review.verifyPurchase(order, by: .system, now: .start) } throws: {
      ($0 as? Failure)?.code == .missingProof
    }
  }

  @Test("of two reviewers at once one approves and the other loses")
  func concurrent() async throws {
    let store = InMemoryOrderStore()
    let order = try Make.underReview()
    await store.place(order)
    let results = try await withThrowingTaskGroup(of: CommitResult.self) { group in
      for _ in 0..<8 {
        group.addTask {
          let result = try Review.verifyPurchase(order, by: Make.actor(.agency), now: .start)
          return try await store.commit(#require(result.change), .none)
        }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(results.count { $0 == .committed } == 1)
    let stored = try #require(await store.stored(order.id))
    #expect(stored.events.count { $0.type == .verified } == 1)
  }
}

@Suite("What each party sees")
struct VisibilityTests {
  @Test("shopper, network, owner and staff see what DOMAIN 5.8 lists")
  func table() throws {
    let order = try Make.underReview()
    for role in [Role.mediator, .agency, .ops, .admin] {
      #expect(try Visibility(of: Make.viewer(role), on: order) == .everything)
    }
    let buyer = try Visibility(of: Make.viewer(.shopper), on: order)
    #expect(buyer == Visibility(identity: true, proofDetails: true, payout: false, margin: false))
    let brand = try Visibility(of: Make.viewer(.brand), on: order)
    #expect(brand == Visibility(identity: false, proofDetails: false, payout: true, margin: false))
  }

  @Test("outsiders see nothing")
  func outsiders() throws {
    let order = try Make.underReview()
    let others = [
      Viewer(userID: Make.staffID, mobile: "", roles: [.shopper], code: nil),
      Viewer(userID: Make.staffID, mobile: "", roles: [.mediator], code: PartyCode("MED_TWO")),
      Viewer(userID: Make.staffID, mobile: "", roles: [.agency], code: Make.mediatorCode),
      Viewer(userID: Make.staffID, mobile: "", roles: [.brand], code: nil),
      // The owner's id without the role, and the role's code without the role.
      Viewer(userID: Make.brandID, mobile: "", roles: [.shopper], code: Make.mediatorCode),
    ]
    for viewer in others {
      #expect { try Visibility(of: viewer, on: order) } throws: { ($0 as? Failure)?.code == .forbidden }
    }
  }
}
