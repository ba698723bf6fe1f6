import CampaignDomain
import Kernel

/// Values of which a contract test states only what it is about.
enum CampaignFixture {
  static let start = Timestamp(milliseconds: 1_750_000_000_000)
  static let later = Timestamp(milliseconds: 1_750_000_600_000)
  static let mediator = code("MED_TEST")
  static let agency = code("AGY_TEST")
  static let owner: UserID = id(0xa1)

  static func code(_ text: String) -> PartyCode {
    guard let code = PartyCode(text) else { preconditionFailure("a test uses the malformed code \(text)") }
    return code
  }

  /// The id whose last digits are `number`.
  static func id<Subject>(_ number: Int) -> ID<Subject> {
    let digits = String(number, radix: 16)
    return ID(known: String(repeating: "0", count: 24 - digits.count) + digits)
  }

  static func claim(order: Int, campaign: Int = 1) -> SlotClaim {
    SlotClaim(orderID: id(order), campaignID: id(campaign), mediatorCode: mediator, agencyCode: agency)
  }

  static func listing(
    title: String = "Demo", platform: String = "Amazon", type: DealType = .discount
  ) -> Listing {
    Listing(
      title: title, image: "https://example.com/image", productURL: "https://example.com/product",
      platform: platform, brandName: "Brand A", dealType: type, originalPrice: Money(paise: 120_000),
      price: Money(paise: 99_900), returnWindowDays: 14)
  }

  static func campaign(_ number: Int, total: Int64 = 10) -> Campaign {
    Campaign(
      id: id(number), listing: listing(), owner: CampaignOwner(userID: owner, kind: .brand),
      payout: Money(paise: 10_000), totalSlots: total, status: .active, allowedAgencyCodes: [agency],
      createdAt: start, updatedAt: start)
  }

  static func assignment(_ code: PartyCode, limit: Int64) -> Assignment {
    Assignment(
      id: id(code == agency ? 0xe1 : 0xe2), campaignID: id(1), code: code,
      codeKind: code == agency ? .agency : .mediator, agencyCode: agency, limit: limit, payout: Money(paise: 9_000),
      assignedBy: owner, createdAt: start, updatedAt: start)
  }

  /// - Parameter seconds: of creation, after `start`.
  static func deal(
    _ number: Int, at seconds: Int, mediator: PartyCode = mediator, title: String = "Demo",
    platform: String = "Amazon", type: DealType = .discount, reasons: Set<InactiveReason> = [], deleted: Bool = false
  ) -> Deal {
    let created = start.advanced(by: .seconds(seconds))
    return Deal(
      id: id(number), campaignID: id(number), mediatorCode: mediator,
      listing: listing(title: title, platform: platform, type: type), commission: Money(paise: 5_000),
      payout: Money(paise: 10_000), inactiveReasons: reasons, deletedAt: deleted ? later : nil, createdAt: created,
      updatedAt: created)
  }

  /// Campaign 1 with a deal, the mediator's share and its agency's quota.
  static func catalog(total: Int64, limit: Int64, quota: Int64) -> Catalog {
    Catalog(
      campaigns: [campaign(1, total: total)],
      assignments: [assignment(mediator, limit: limit), assignment(agency, limit: quota)],
      deals: [deal(1, at: 0)])
  }
}

extension CampaignStore {
  /// A step of a caller that tells no version of the order.
  func apply(_ command: SlotCommand, requestID: String?, at now: Timestamp) async throws -> SlotOutcome {
    try await apply(SlotStep(command), by: Actor(id: Actor.system.id, roles: [], requestID: requestID), at: now)
  }
}
