import CampaignDomain
import Kernel

/// Valid values of which a test states only what it is about.
enum Make {
  static let start = Timestamp(milliseconds: 1_750_000_000_000)
  static let later = Timestamp(milliseconds: 1_750_000_060_000)
  static let mediator = code("MED_TEST")
  static let agency = code("AGY_TEST")
  static let owner = UserID(known: "0000000000000000000000a1")

  static func code(_ text: String) -> PartyCode {
    guard let code = PartyCode(text) else { preconditionFailure("a test uses the malformed code \(text)") }
    return code
  }

  /// The id whose last digits are `number`.
  static func id<Subject>(_ number: Int) -> ID<Subject> {
    let digits = String(number, radix: 16)
    return ID(known: String(repeating: "0", count: 24 - digits.count) + digits)
  }

  static func listing(title: String = "Demo Discount") -> Listing {
    Listing(
      title: title, image: "https://example.com/image", productURL: "https://example.com/product", platform: "Amazon",
      brandName: "Brand A", dealType: .discount, originalPrice: Money(paise: 120_000), price: Money(paise: 99_900),
      returnWindowDays: 14)
  }

  static func campaign(
    _ number: Int = 1, total: Int64 = 10, used: Int64 = 0, status: CampaignStatus = .active,
    allowed: [PartyCode] = [agency], lock: CampaignLock? = nil, deletedAt: Timestamp? = nil
  ) -> Campaign {
    Campaign(
      id: id(number), listing: listing(), owner: CampaignOwner(userID: owner, kind: .brand),
      payout: Money(paise: 10_000), totalSlots: total, usedSlots: used, status: status, allowedAgencyCodes: allowed,
      lock: lock, deletedAt: deletedAt, createdAt: start, updatedAt: start)
  }

  static func assignment(
    _ code: PartyCode = mediator, campaign: Int = 1, limit: Int64 = 5, used: Int64 = 0, settled: Int64 = 0,
    isActive: Bool = true
  ) -> Assignment {
    Assignment(
      id: .generate(at: start), campaignID: id(campaign), code: code,
      codeKind: code.rawValue.hasPrefix("AGY") ? .agency : .mediator, agencyCode: agency, limit: limit,
      usedSlots: used, settledSlots: settled, isActive: isActive, assignedBy: owner, createdAt: start,
      updatedAt: start)
  }

  static func reservation(_ state: Reservation.State, order: Int = 1, campaign: Int = 1, version: Int64 = 0)
    -> Reservation
  {
    Reservation(
      id: .generate(at: start), orderID: id(order), campaignID: id(campaign), mediatorCode: mediator,
      agencyCode: agency, state: state, releasedReason: state == .released ? "W4" : nil,
      orderVersion: version, createdAt: start, updatedAt: start)
  }

  static func claim(order: Int = 1, campaign: Int = 1, mediator: PartyCode = mediator) -> SlotClaim {
    SlotClaim(orderID: id(order), campaignID: id(campaign), mediatorCode: mediator, agencyCode: agency)
  }

  static func deal(
    mediator: PartyCode = mediator, reasons: Set<InactiveReason> = [], deletedAt: Timestamp? = nil
  ) -> Deal {
    Deal(
      id: id(7), campaignID: id(1), mediatorCode: mediator, listing: listing(), commission: Money(paise: 5_000),
      payout: Money(paise: 10_000), inactiveReasons: reasons, deletedAt: deletedAt, createdAt: start, updatedAt: start)
  }
}

extension SlotBook {
  static func holding(
    _ state: Reservation.State?, campaign: Campaign? = Make.campaign(used: 1), assignments: [Assignment] = []
  ) -> SlotBook {
    SlotBook(campaign: campaign, assignments: assignments, reservation: state.map { Make.reservation($0) })
  }

  func decide(_ command: SlotCommand, now: Timestamp) throws(Failure) -> SlotDecision {
    try decide(SlotStep(command), now: now)
  }

  /// The code of the refusal; nil when the command is accepted.
  func refusal(of command: SlotCommand) -> ErrorCode? {
    do {
      _ = try decide(command, now: Make.later)
      return nil
    } catch {
      return error.code
    }
  }

  /// The change of an accepted command; nil when nothing changes.
  func change(by command: SlotCommand) throws -> SlotChange? {
    switch try decide(command, now: Make.later) {
    case .unchanged, .raise: nil
    case .change(let change): change
    }
  }
}
