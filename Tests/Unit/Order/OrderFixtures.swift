import Kernel
import Synchronization

@testable import OrderDomain

extension Timestamp {
  /// An arbitrary fixed start: 2026-01-01T00:00:00Z.
  static let start = Timestamp(milliseconds: 1_767_225_600_000)

  func plus(_ duration: Duration) -> Timestamp { advanced(by: duration) }
}

/// A clock that moves only when told to.
final class ManualClock: WallClock {
  private let instant: Mutex<Timestamp>

  init(_ instant: Timestamp = .start) { self.instant = Mutex(instant) }

  func now() -> Timestamp { instant.withLock { $0 } }

  func advance(by duration: Duration) { instant.withLock { $0 = $0.advanced(by: duration) } }
}

enum Make {
  static let orderID = OrderID(known: "0000000000000000000000a1")
  static let dealID = DealID(known: "0000000000000000000000d1")
  static let shopperID = UserID(known: "000000000000000000000001")
  static let mediatorID = UserID(known: "000000000000000000000002")
  static let agencyID = UserID(known: "000000000000000000000003")
  static let brandID = UserID(known: "000000000000000000000004")
  static let staffID = UserID(known: "000000000000000000000005")
  static let mediatorCode = PartyCode("MED_TEST")!  // Literals of the right form.
  static let agencyCode = PartyCode("AGY_TEST")!

  static let shopper = Shopper(
    userID: shopperID, name: "Asha", mobile: "9000000004", mediatorCode: mediatorCode, agencyCode: agencyCode,
    agencyName: "Agency A")

  static func viewer(_ role: Role) -> Viewer {
    switch role {
    case .shopper: Viewer(userID: shopperID, mobile: "9000000004", roles: [.shopper], code: nil)
    case .mediator: Viewer(userID: mediatorID, mobile: "9000000002", roles: [.mediator], code: mediatorCode)
    case .agency: Viewer(userID: agencyID, mobile: "9000000001", roles: [.agency], code: agencyCode)
    case .brand: Viewer(userID: brandID, mobile: "9000000003", roles: [.brand], code: nil)
    case .ops, .admin: Viewer(userID: staffID, mobile: "9000000000", roles: [role], code: nil)
    }
  }

  static func actor(_ role: Role) -> Actor { Actor(id: viewer(role).userID.rawValue, roles: [role]) }

  static func party(_ role: Role, status: UserStatus = .active, fingerprints: Set<String> = []) -> Party {
    let person = viewer(role)
    return Party(
      userID: person.userID, name: role.rawValue, mobile: person.mobile, status: status, code: person.code,
      payoutFingerprints: fingerprints)
  }

  static func parties(
    acting: Role = .agency, suspended: Role? = nil, missing: Role? = nil, fingerprints: Set<String> = []
  ) -> OrderParties {
    func find(_ role: Role) -> Party? {
      role == missing ? nil : party(role, status: role == suspended ? .suspended : .active)
    }
    return OrderParties(
      buyer: missing == .shopper
        ? nil : party(.shopper, status: suspended == .shopper ? .suspended : .active, fingerprints: fingerprints),
      mediator: find(.mediator), agency: find(.agency), owner: find(.brand),
      acting: party(acting, fingerprints: fingerprints))
  }

  static func deal(
    _ type: DealType = .discount, id: DealID = dealID, commission: Int64 = 5_000, payout: Int64 = 10_000,
    returnDays: Int32 = 14
  ) -> DealTerms {
    DealTerms(
      dealID: id, campaignID: CampaignID(known: "0000000000000000000000c1"), ownerUserID: brandID,
      ownerKind: .brand, brandName: "Brand A", title: "Demo", image: "https://example.com/i.png", platform: "Amazon",
      dealType: type, commission: Money(paise: commission), payout: Money(paise: payout), returnWindowDays: returnDays)
  }

  static let image = ProofImage(stored: [0x89, 0x50], kind: .png, sha256: String(repeating: "a", count: 64))

  static func proof(_ type: ProofType = .order, of order: OrderID = orderID) -> NewProof {
    NewProof(orderID: order, type: type, version: 1, image: image, submittedBy: shopperID, submittedAt: .start)
  }

  static func key(_ rpc: String, _ requestID: String = "r-1", fingerprint: String = "f") -> RequestKey {
    RequestKey(callerID: viewer(.agency).userID.rawValue, rpc: rpc, requestID: requestID, fingerprint: fingerprint)
  }

  static func stub(
    _ deal: DealTerms = deal(), id: OrderID = orderID, externalID: String = "403-1", request: RequestKey? = nil,
    by shopper: Shopper = shopper, replacing preOrder: Order? = nil, at now: Timestamp = .start
  ) throws -> Order {
    let order = try Creation.open(
      PurchaseClaim(
        externalOrderID: try ExternalOrderID(parsing: externalID), quantity: 1, unitPrice: Money(paise: 99_900),
        orderDate: nil, soldBy: nil, extractedProductName: nil, reviewerName: "Asha R"),
      on: deal, by: shopper, id: id, replacing: preOrder, rules: OrderRules(), actor: actor(.shopper), request: request,
      now: now)
    return Creation.attach([proof(of: id)], duplicateOf: nil, to: order)
  }

  /// A shopper who went to the marketplace and has not come back.
  static func preOrder() throws -> Order {
    var order = try stub()
    order.workflowStatus = .redirected
    order.pendingSaga = nil
    order.externalOrderID = nil
    order.item = order.item.unbought
    order.total = .zero
    order.reviewerName = nil
    order.proofs = [:]
    order.proofVerdicts = [:]
    return order
  }

  static func underReview(_ deal: DealTerms = deal()) throws -> Order {
    try Creation.confirm(try stub(deal), now: .start).after
  }

  static func approved(_ deal: DealTerms = deal()) throws -> Order {
    let result = try Review.verifyPurchase(try underReview(deal), by: actor(.agency), now: .start)
    return result.order
  }
}
