import CampaignDomain
import Kernel
import Testing

@Suite("Reserving a slot")
struct ReserveTests {
  @Test(
    "the last slot can be taken and the one after it cannot",
    arguments: [(9, nil), (10, .soldOut)] as [(Int64, ErrorCode?)])
  func lastSlot(used: Int64, expected: ErrorCode?) {
    let book = SlotBook.holding(nil, campaign: Make.campaign(total: 10, used: used))
    #expect(book.refusal(of: .reserve(Make.claim())) == expected)
  }

  @Test(
    "a share and a quota are filled to their limit; a limit of zero is no share",
    arguments: [
      ("MED_TEST", 5, 4, nil), ("MED_TEST", 5, 5, .soldOutForPartner), ("MED_TEST", 0, 9, nil),
      ("AGY_TEST", 3, 2, nil), ("AGY_TEST", 3, 3, .soldOutForPartner), ("AGY_TEST", 0, 9, nil),
      ("MED_TEST", 5, 7, .soldOutForPartner),
    ] as [(String, Int64, Int64, ErrorCode?)])
  func partnerLimits(code: String, limit: Int64, used: Int64, expected: ErrorCode?) {
    let share = Make.assignment(Make.code(code), limit: limit, used: used)
    let book = SlotBook.holding(nil, campaign: Make.campaign(total: 100), assignments: [share])
    #expect(book.refusal(of: .reserve(Make.claim())) == expected)
  }

  @Test("a sold out campaign says so even if the partner's share is full too")
  func soldOutForEverybody() {
    let book = SlotBook.holding(
      nil, campaign: Make.campaign(total: 1, used: 1), assignments: [Make.assignment(limit: 1, used: 1)])
    #expect(book.refusal(of: .reserve(Make.claim())) == .soldOut)
  }

  @Test(
    "only an active campaign takes orders",
    arguments: [
      (.active, nil), (.draft, .campaignNotActive), (.paused, .campaignNotActive), (.completed, .campaignNotActive),
    ] as [(CampaignStatus, ErrorCode?)])
  func status(status: CampaignStatus, expected: ErrorCode?) {
    let book = SlotBook.holding(nil, campaign: Make.campaign(status: status))
    #expect(book.refusal(of: .reserve(Make.claim())) == expected)
  }

  @Test("a missing or deleted campaign is not found")
  func missingCampaign() {
    #expect(SlotBook.holding(nil, campaign: nil).refusal(of: .reserve(Make.claim())) == .campaignNotFound)
    let deleted = SlotBook.holding(nil, campaign: Make.campaign(deletedAt: Make.start))
    #expect(deleted.refusal(of: .reserve(Make.claim())) == .campaignNotFound)
  }

  @Test("taking a slot counts it everywhere, and the first order locks the terms")
  func effects() throws {
    let quota = Make.assignment(Make.agency, limit: 0, used: 2)
    let book = SlotBook.holding(
      nil, campaign: Make.campaign(total: 10, used: 3), assignments: [Make.assignment(used: 1), quota])
    let change = try #require(try book.change(by: .reserve(Make.claim(order: 4))))
    #expect(change.reservation.state == .held)
    #expect(change.reservation.orderID == Make.id(4))
    let campaign = try #require(change.campaign)
    #expect(campaign.usedSlots == 4)
    #expect(campaign.hasOrders)
    #expect(campaign.lock == CampaignLock(reason: .firstOrder, at: Make.later))
    #expect(campaign.version == 1)
    #expect(campaign.updatedAt == Make.later)
    #expect(change.assignments.map(\.usedSlots) == [2, 3])
    #expect(change.assignments.map(\.settledSlots) == [0, 0])
    #expect(change.assignments.map(\.version) == [1, 1])
  }

  @Test("an earlier lock keeps its reason and time")
  func earlierLock() throws {
    let lock = CampaignLock(reason: .slotAssignment, at: Make.start)
    let book = SlotBook.holding(nil, campaign: Make.campaign(lock: lock))
    #expect(try book.change(by: .reserve(Make.claim()))?.campaign?.lock == lock)
  }

  @Test("a repeated claim answers with the slot it has, even if the campaign has sold out or stopped since")
  func repeats() throws {
    for state in [Reservation.State.held, .consumed] {
      let full = SlotBook.holding(state, campaign: Make.campaign(total: 1, used: 1, status: .paused))
      #expect(try full.decide(.reserve(Make.claim()), now: Make.later) == .unchanged(try #require(full.reservation)))
    }
  }

  @Test("a slot that was given back is never taken again by the same order")
  func neverRevived() {
    #expect(SlotBook.holding(.released).refusal(of: .reserve(Make.claim())) == .orderStateMismatch)
  }

  @Test("an order id that holds another slot is refused")
  func otherClaim() {
    let book = SlotBook.holding(.held)
    #expect(book.refusal(of: .reserve(Make.claim(campaign: 2))) == .idempotencyMismatch)
    #expect(book.refusal(of: .reserve(Make.claim(mediator: Make.code("MED_TWO")))) == .idempotencyMismatch)
  }

  @Test("one code that is mediator and agency at once is counted once")
  func oneCode() {
    let claim = SlotClaim(
      orderID: Make.id(1), campaignID: Make.id(1), mediatorCode: Make.agency, agencyCode: Make.agency)
    #expect(claim.codes == [Make.agency])
    #expect(Make.claim().codes == [Make.mediator, Make.agency])
  }
}

@Suite("Releasing, consuming and unconsuming a slot")
struct SlotLifeTests {
  private static let order = OrderID(known: "000000000000000000000001")

  @Test(
    "every step is allowed from its state, repeated quietly, and refused elsewhere",
    arguments: [
      (.release(order, reason: "W4"), .held, nil, false), (.release(order, reason: "W4"), .released, nil, true),
      (.release(order, reason: "W4"), .consumed, .orderStateMismatch, false),
      (.consume(order), .held, nil, false), (.consume(order), .consumed, nil, true),
      (.consume(order), .released, .orderStateMismatch, false),
      (.unconsume(order), .consumed, nil, false), (.unconsume(order), .held, nil, true),
      (.unconsume(order), .released, .orderStateMismatch, false),
    ] as [(SlotCommand, Reservation.State, ErrorCode?, Bool)])
  func steps(command: SlotCommand, state: Reservation.State, expected: ErrorCode?, repeated: Bool) throws {
    let book = SlotBook.holding(state)
    #expect(book.refusal(of: command) == expected)
    guard expected == nil else { return }
    #expect(try (book.change(by: command) == nil) == repeated)
  }

  @Test(
    "an order without a slot has no reservation to change",
    arguments: [
      .release(order, reason: "W4"), .consume(order), .unconsume(order),
    ] as [SlotCommand])
  func missing(command: SlotCommand) {
    #expect(SlotBook.holding(nil).refusal(of: command) == .reservationNotFound)
  }

  @Test("giving a slot back frees it everywhere and records why")
  func release() throws {
    let book = SlotBook.holding(
      .held, campaign: Make.campaign(used: 1), assignments: [Make.assignment(used: 1, settled: 0)])
    let change = try #require(try book.change(by: .release(Self.order, reason: "W12")))
    #expect(change.reservation.state == .released)
    #expect(change.reservation.releasedReason == "W12")
    #expect(change.campaign?.usedSlots == 0)
    #expect(change.assignments.map(\.usedSlots) == [0])
    let entry = try #require(SlotReleaseEntry(change))
    #expect(entry.orderID == Self.order)
    #expect(entry.reason == "W12")
    #expect(entry.eventKey == "slot-released/000000000000000000000001")
  }

  @Test("a slot is given back even if its campaign was deleted or stopped meanwhile")
  func releaseOfStoppedCampaign() throws {
    let deleted = SlotBook.holding(.held, campaign: Make.campaign(used: 1, status: .completed, deletedAt: Make.start))
    #expect(try deleted.change(by: .release(Self.order, reason: "W4"))?.campaign?.usedSlots == 0)
    let gone = SlotBook.holding(.held, campaign: nil)
    #expect(try gone.change(by: .release(Self.order, reason: "W4"))?.campaign == nil)
  }

  @Test("no counter falls below zero")
  func floor() throws {
    let book = SlotBook.holding(.held, campaign: Make.campaign(used: 0), assignments: [Make.assignment(used: 0)])
    let change = try #require(try book.change(by: .release(Self.order, reason: "W4")))
    #expect(change.campaign?.usedSlots == 0)
    #expect(change.assignments.map(\.usedSlots) == [0])
    let settled = SlotBook.holding(.consumed, assignments: [Make.assignment(used: 1, settled: 0)])
    #expect(try settled.change(by: .unconsume(Self.order))?.assignments.map(\.settledSlots) == [0])
  }

  @Test(
    "settling stops at the limit; without a share there is no cap",
    arguments: [(5, 4, nil), (5, 5, .capExceeded), (4, 5, .capExceeded), (0, 5, nil)]
      as [(Int64, Int64, ErrorCode?)])
  func cap(limit: Int64, settled: Int64, expected: ErrorCode?) {
    let share = Make.assignment(limit: limit, used: 6, settled: settled)
    #expect(SlotBook.holding(.held, assignments: [share]).refusal(of: .consume(Self.order)) == expected)
  }

  @Test("settling and unsettling change what is settled, never what is used")
  func settle() throws {
    let share = Make.assignment(used: 2, settled: 1)
    let consumed = try #require(try SlotBook.holding(.held, assignments: [share]).change(by: .consume(Self.order)))
    #expect(consumed.campaign == nil)
    #expect(consumed.assignments.map(\.usedSlots) == [2])
    #expect(consumed.assignments.map(\.settledSlots) == [2])
    #expect(SlotReleaseEntry(consumed) == nil)
    let undone = try #require(
      try SlotBook.holding(.consumed, assignments: consumed.assignments).change(by: .unconsume(Self.order)))
    #expect(undone.reservation.state == .held)
    #expect(undone.assignments.map(\.usedSlots) == [2])
    #expect(undone.assignments.map(\.settledSlots) == [1])
  }
}
