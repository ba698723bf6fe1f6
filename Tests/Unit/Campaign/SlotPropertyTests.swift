import CampaignDomain
import Kernel
import Testing

/// A generator whose numbers follow from its seed (SplitMix64), so that a failing run can be repeated.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) {
    state = seed
  }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}

/// The four collections as plain dictionaries, changed only by what `SlotBook.decide` answers.
private struct Books {
  var campaigns: [CampaignID: Campaign] = [:]
  var assignments: [Assignment] = []
  var reservations: [OrderID: Reservation] = [:]

  func book(for command: SlotCommand) -> SlotBook {
    let reservation = reservations[command.orderID]
    let campaign: CampaignID?
    let codes: [PartyCode]
    if let reservation {
      campaign = reservation.campaignID
      codes = [reservation.mediatorCode, reservation.agencyCode]
    } else if case .reserve(let claim) = command {
      campaign = claim.campaignID
      codes = claim.codes
    } else {
      campaign = nil
      codes = []
    }
    return SlotBook(
      campaign: campaign.flatMap { campaigns[$0] },
      assignments: assignments.filter { $0.campaignID == campaign && codes.contains($0.code) },
      reservation: reservation)
  }

  mutating func apply(_ change: SlotChange) {
    reservations[change.reservation.orderID] = change.reservation
    if let campaign = change.campaign { campaigns[campaign.id] = campaign }
    for changed in change.assignments {
      guard let index = assignments.firstIndex(where: { $0.id == changed.id }) else { continue }
      assignments[index] = changed
    }
  }

  /// The first broken rule of DOMAIN 7.7, number 10; nil when the books are right.
  func broken() -> String? {
    let live = reservations.values.filter { $0.state != .released }
    for campaign in campaigns.values {
      let used = Int64(live.count { $0.campaignID == campaign.id })
      if campaign.usedSlots != used { return "campaign \(campaign.id) counts \(campaign.usedSlots), holds \(used)" }
      if used > campaign.totalSlots { return "campaign \(campaign.id) is over its \(campaign.totalSlots) slots" }
      if campaign.hasOrders != (campaign.lock != nil) { return "campaign \(campaign.id) has orders and no lock" }
    }
    for assignment in assignments {
      let own = live.filter {
        $0.campaignID == assignment.campaignID
          && ($0.mediatorCode == assignment.code || $0.agencyCode == assignment.code)
      }
      let settled = Int64(own.count { $0.state == .consumed })
      if assignment.usedSlots != Int64(own.count) { return "\(assignment.code) counts \(assignment.usedSlots) used" }
      if assignment.settledSlots != settled { return "\(assignment.code) counts \(assignment.settledSlots) settled" }
    }
    return nil
  }
}

// Goal: whatever happens in whatever order, the counters are the reservations. Method: random commands on few orders,
// so that repeats, refusals and limits are hit often; limits change at random, as staff may do.
@Suite("Slot counters under random operations")
struct SlotPropertyTests {
  @Test("the counters equal the reservations after every step", arguments: 1...40 as ClosedRange<UInt64>)
  func counters(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    var books = Self.books(&generator)
    var released: Set<OrderID> = []
    for step in 0..<400 {
      if generator.next() % 40 == 0 { Self.changeLimit(&books, &generator) }
      let command = Self.command(&generator)
      let book = books.book(for: command)
      guard let decision = try? book.decide(command, now: Make.later) else { continue }
      if case .change(let change) = decision {
        #expect(!released.contains(change.reservation.orderID), "seed \(seed), step \(step): a released slot changed")
        books.apply(change)
        if change.reservation.state == .released { released.insert(change.reservation.orderID) }
        let repeated = try books.book(for: command).decide(command, now: Make.later)
        #expect(repeated == .unchanged(change.reservation), "seed \(seed), step \(step): \(command) is not idempotent")
      }
      let broken = books.broken()
      #expect(broken == nil, "seed \(seed), step \(step), \(command): \(broken ?? "")")
    }
  }

  private static func books(_ generator: inout SeededGenerator) -> Books {
    var books = Books()
    for number in 1...3 {
      let campaign = Make.campaign(number, total: Int64.random(in: 1...8, using: &generator))
      books.campaigns[campaign.id] = campaign
      for code in [Make.mediator, Make.code("MED_TEST2"), Make.agency] where Bool.random(using: &generator) {
        let limit = Int64.random(in: 0...5, using: &generator)
        books.assignments.append(Make.assignment(code, campaign: number, limit: limit))
      }
    }
    return books
  }

  private static func changeLimit(_ books: inout Books, _ generator: inout SeededGenerator) {
    guard let index = books.assignments.indices.randomElement(using: &generator) else { return }
    books.assignments[index].limit = Int64.random(in: 0...5, using: &generator)
  }

  private static func command(_ generator: inout SeededGenerator) -> SlotCommand {
    let order = Int.random(in: 1...30, using: &generator)
    // The slot of an order follows from its number, so that repeated claims are mostly true repeats.
    let mediator = order.isMultiple(of: 2) ? Make.mediator : Make.code("MED_TEST2")
    switch Int.random(in: 0..<5, using: &generator) {
    case 0, 1: return .reserve(Make.claim(order: order, campaign: order % 3 + 1, mediator: mediator))
    case 2: return .release(Make.id(order), reason: "W4")
    case 3: return .consume(Make.id(order))
    default: return .unconsume(Make.id(order))
    }
  }
}
