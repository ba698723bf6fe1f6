import CampaignDomain
import Kernel
import Testing

/// Steps carry the version of the order that they were written down with; an overtaken one comes to nothing.
@Suite("Steps of an order in the order of its versions")
struct OvertakenStepTests {
  private static let order: OrderID = Make.id(1)

  private func book(_ state: Reservation.State, version: Int64) -> SlotBook {
    SlotBook(
      campaign: Make.campaign(used: 1), assignments: [Make.assignment(used: 1, settled: state == .consumed ? 1 : 0)],
      reservation: Make.reservation(state, version: version))
  }

  private func decide(_ book: SlotBook, _ command: SlotCommand, _ version: Int64) throws -> SlotDecision {
    try book.decide(SlotStep(command, orderVersion: version), now: Make.later)
  }

  // A driver stalls with its ConsumeSlot on the way. Another takes over, settles, is refused by wallet and gives the
  // slot back. Then the first message arrives.
  @Test("a step of a driver that was overtaken changes nothing, whatever it wanted")
  func overtaken() throws {
    let held = book(.held, version: 7)
    #expect(try decide(held, .consume(Self.order), 6) == .unchanged(try #require(held.reservation)))
    #expect(try decide(held, .release(Self.order, reason: "W15"), 6) == .unchanged(try #require(held.reservation)))
    let consumed = book(.consumed, version: 7)
    #expect(try decide(consumed, .unconsume(Self.order), 6) == .unchanged(try #require(consumed.reservation)))
    // Not even a refusal: it would be taken for the decision of the driver that goes on.
    #expect(
      try decide(consumed, .release(Self.order, reason: "W15"), 6) == .unchanged(try #require(consumed.reservation)))
  }

  @Test("a step of the same or a newer version takes effect and leaves its version", arguments: [7, 8] as [Int64])
  func current(version: Int64) throws {
    guard case .change(let change) = try decide(book(.held, version: 7), .consume(Self.order), version) else {
      Issue.record("the step changed nothing")
      return
    }
    #expect(change.reservation.state == .consumed)
    #expect(change.reservation.orderVersion == version)
    #expect(change.assignments.map(\.settledSlots) == [1])
  }

  @Test("a repeat of a newer version leaves its version too, so that nothing older comes after it")
  func raised() throws {
    let consumed = book(.consumed, version: 5)
    var raised = try #require(consumed.reservation)
    raised.orderVersion = 8
    #expect(try decide(consumed, .consume(Self.order), 8) == .raise(raised))
    #expect(try decide(consumed, .consume(Self.order), 5) == .unchanged(try #require(consumed.reservation)))

    let held = book(.held, version: 2)
    var claimed = try #require(held.reservation)
    claimed.orderVersion = 9
    #expect(try decide(held, .reserve(Make.claim()), 9) == .raise(claimed))
    let late = SlotBook(campaign: held.campaign, assignments: held.assignments, reservation: claimed)
    #expect(try decide(late, .release(Self.order, reason: "late"), 8) == .unchanged(claimed))
  }

  @Test("a claim leaves its version on the reservation that it makes")
  func claim() throws {
    let empty = SlotBook(campaign: Make.campaign(), assignments: [], reservation: nil)
    guard case .change(let change) = try decide(empty, .reserve(Make.claim()), 3) else {
      Issue.record("the claim made nothing")
      return
    }
    #expect(change.reservation.orderVersion == 3)
  }

  @Test("a caller that tells no version is never outdated and outdates nothing")
  func untold() throws {
    guard case .change(let change) = try decide(book(.held, version: 7), .consume(Self.order), 0) else {
      Issue.record("the step changed nothing")
      return
    }
    #expect(change.reservation.orderVersion == 7)
    let consumed = book(.consumed, version: 7)
    #expect(try decide(consumed, .consume(Self.order), 0) == .unchanged(try #require(consumed.reservation)))
  }

  @Test("a released slot stays released, whatever the version of the claim")
  func released() throws {
    let book = book(.released, version: 4)
    for version in [0, 3, 4, 5] as [Int64] {
      #expect(throws: Failure.self) { _ = try decide(book, .reserve(Make.claim()), version) }
    }
    #expect(throws: Failure.self) { _ = try decide(book, .consume(Self.order), 5) }
  }
}
