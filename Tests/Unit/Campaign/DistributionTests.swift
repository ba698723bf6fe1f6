import CampaignDomain
import Kernel
import Testing

@Suite("Who may distribute a campaign, and how much of it is left")
struct DistributionTests {
  private static let other = Make.code("AGY_TWO")

  @Test("an allowed agency, one's own inventory, or slots set aside")
  func distributable() {
    let allowed = Make.campaign()
    #expect(allowed.isDistributable(by: Make.mediator, of: Make.agency, assignments: []))
    #expect(!allowed.isDistributable(by: Make.mediator, of: Self.other, assignments: []))
    let own = Make.campaign(allowed: [Make.mediator])
    #expect(own.isDistributable(by: Make.mediator, of: Self.other, assignments: []))
    #expect(!own.isDistributable(by: Make.code("MED_TWO"), of: Self.other, assignments: []))
    let open = Make.campaign(allowed: [])
    #expect(open.isDistributable(by: Make.mediator, of: Self.other, assignments: [Make.assignment(limit: 1)]))
  }

  @Test("closed, empty and other codes' assignments give no right")
  func assignmentsThatDoNotCount() {
    let campaign = Make.campaign(allowed: [])
    for assignment in [
      Make.assignment(limit: 5, isActive: false), Make.assignment(limit: 0), Make.assignment(Make.agency, limit: 5),
    ] {
      #expect(!campaign.isDistributable(by: Make.mediator, of: Make.agency, assignments: [assignment]))
    }
  }

  @Test("a deleted campaign is distributed by nobody")
  func deleted() {
    let campaign = Make.campaign(deletedAt: Make.start)
    #expect(!campaign.isDistributable(by: Make.mediator, of: Make.agency, assignments: []))
  }

  @Test("what remains is the least of campaign, share and quota, and never negative")
  func remaining() {
    let campaign = Make.campaign(total: 10, used: 4)
    #expect(campaign.remainingSlots(under: []) == 6)
    #expect(campaign.remainingSlots(under: [Make.assignment(limit: 5, used: 2)]) == 3)
    #expect(campaign.remainingSlots(under: [Make.assignment(limit: 0, used: 2)]) == 6)
    let quota = Make.assignment(Make.agency, limit: 4, used: 2)
    #expect(campaign.remainingSlots(under: [Make.assignment(limit: 5, used: 2), quota]) == 2)
    #expect(campaign.remainingSlots(under: [Make.assignment(limit: 1, used: 2)]) == 0)
    #expect(Make.campaign(total: 3, used: 3).remainingSlots(under: []) == 0)
  }
}

@Suite("The terms of a deal for an order")
struct DealTermsTests {
  private func refusal(_ deal: Deal, _ campaign: Campaign?, agency: PartyCode = Make.agency) -> ErrorCode? {
    do throws(Failure) {
      _ = try DealOffer(deal: deal, campaign: campaign, assignments: []).terms(mediator: Make.mediator, agency: agency)
      return nil
    } catch {
      return error.code
    }
  }

  @Test("a deal that is deleted, inactive or another mediator's does not exist")
  func notFound() {
    let campaign = Make.campaign()
    #expect(refusal(Make.deal(), campaign) == nil)
    #expect(refusal(Make.deal(deletedAt: Make.start), campaign) == .dealNotFound)
    #expect(refusal(Make.deal(reasons: [.unpublished]), campaign) == .dealNotFound)
    #expect(refusal(Make.deal(mediator: Make.code("MED_TWO")), campaign) == .dealNotFound)
  }

  @Test("the campaign must be active, then distributable")
  func campaignState() {
    #expect(refusal(Make.deal(), nil) == .campaignNotActive)
    #expect(refusal(Make.deal(), Make.campaign(deletedAt: Make.start)) == .campaignNotActive)
    #expect(refusal(Make.deal(), Make.campaign(status: .paused), agency: Make.code("AGY_TWO")) == .campaignNotActive)
    #expect(refusal(Make.deal(), Make.campaign(), agency: Make.code("AGY_TWO")) == .forbidden)
  }

  @Test("the terms name the owner who pays")
  func terms() throws {
    let offer = DealOffer(deal: Make.deal(), campaign: Make.campaign(), assignments: [])
    let terms = try offer.terms(mediator: Make.mediator, agency: Make.agency)
    #expect(terms.owner == CampaignOwner(userID: Make.owner, kind: .brand))
    #expect(terms.deal == Make.deal())
  }

  @Test("a deal is active exactly while nothing stops it")
  func activity() {
    #expect(Make.deal().isActive)
    #expect(InactiveReason.allCases.allSatisfy { !Make.deal(reasons: [$0]).isActive })
  }
}
