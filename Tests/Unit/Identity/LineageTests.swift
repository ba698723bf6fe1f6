import IdentityDomain
import Kernel
import Testing

@Suite("Lineage and upstream")
struct LineageTests {
  private static func mediator(_ status: UserStatus) -> User {
    .sample(.mediator, id: "bbbbbbbbbbbbbbbbbbbbbbbb", status: status, code: "MED_X", parent: "AGY_X")
  }

  private static func agency(_ status: UserStatus) -> User {
    .sample(.agency, id: "cccccccccccccccccccccccc", status: status, code: "AGY_X")
  }

  private static let shopper = User.sample(.shopper, parent: "MED_X")

  @Test(
    "a shopper needs an active mediator and an active agency",
    arguments: [
      (UserStatus.active, UserStatus.active, true), (.suspended, .active, false), (.pending, .active, false),
      (.active, .suspended, false), (.active, .pending, false),
    ])
  func shopperUpstream(mediator: UserStatus, agency: UserStatus, isActive: Bool) {
    let lineage = Lineage(subject: Self.shopper, parents: [Self.mediator(mediator), Self.agency(agency)])
    #expect(lineage.upstreamActive == isActive)
  }

  @Test("a missing mediator or agency blocks the shopper")
  func missing() {
    #expect(!Lineage(subject: Self.shopper, parents: []).upstreamActive)
    #expect(!Lineage(subject: Self.shopper, parents: [Self.mediator(.active)]).upstreamActive)
    // An agency in the mediator's place is no mediator.
    #expect(!Lineage(subject: Self.shopper, parents: [Self.agency(.active)]).upstreamActive)
    // A mediator in the agency's place is no agency.
    #expect(!Lineage(subject: Self.shopper, parents: [Self.mediator(.active), Self.mediator(.active)]).upstreamActive)
  }

  @Test("a shopper who belongs to nobody yet may sign in")
  func unattached() {
    #expect(Lineage(subject: .sample(.shopper), parents: []).upstreamActive)
  }

  @Test(
    "a mediator needs its agency", arguments: [(UserStatus.active, true), (.suspended, false), (.pending, false)])
  func mediatorUpstream(agency: UserStatus, isActive: Bool) {
    #expect(Lineage(subject: Self.mediator(.active), parents: [Self.agency(agency)]).upstreamActive == isActive)
  }

  @Test("a mediator without an agency is blocked, with a parent code or without")
  func mediatorAlone() {
    #expect(!Lineage(subject: Self.mediator(.active), parents: []).upstreamActive)
    #expect(!Lineage(subject: .sample(.mediator, code: "MED_X"), parents: []).upstreamActive)
  }

  @Test("agencies, brands and staff have nobody above", arguments: [Role.agency, .brand, .ops, .admin])
  func nobodyAbove(role: Role) {
    #expect(Lineage(subject: .sample(role), parents: []).upstreamActive)
  }

  @Test("who is shopper and mediator follows the party that the parent code names")
  func both() {
    let both = User.sample(.mediator, code: "MED_Y", parent: "AGY_X", roles: [.mediator, .shopper])
    #expect(Lineage(subject: both, parents: [Self.agency(.active)]).upstreamActive)
    #expect(!Lineage(subject: both, parents: [Self.agency(.suspended)]).upstreamActive)
    #expect(Lineage(subject: both, parents: [Self.mediator(.active), Self.agency(.active)]).upstreamActive)
    #expect(!Lineage(subject: both, parents: [Self.mediator(.suspended), Self.agency(.active)]).upstreamActive)
  }
}
