import CampaignDomain
import Kernel
import Testing

@Suite("The seed profile base")
struct SeedTests {
  /// Any injective map from keys to ids will do here; the real one is a hash.
  private let catalog = SeedBase.catalog(at: Make.start) { key in
    let hex = key.utf8.map { String($0, radix: 16) }.joined()
    return String((hex + String(repeating: "0", count: 24)).prefix(24))
  }

  @Test("ids are valid and different")
  func ids() {
    let ids = catalog.campaigns.map(\.id.rawValue) + catalog.deals.map(\.id.rawValue)
    #expect(ids.count == 11)
    #expect(Set(ids).count == 11)
    #expect(ids.allSatisfy { CampaignID($0) != nil })
    #expect(Set(catalog.assignments.map(\.id)).count == 3)
  }

  @Test("assigned slots are the limits of the assignments, and only assigned campaigns are locked")
  func counters() {
    for campaign in catalog.campaigns {
      let limits = catalog.assignments.filter { $0.campaignID == campaign.id }.map(\.limit)
      #expect(campaign.assignedSlots == limits.reduce(0, +))
      #expect(campaign.assignedSlots <= campaign.totalSlots)
      #expect((campaign.lock?.reason == .slotAssignment) == !limits.isEmpty)
      #expect(campaign.usedSlots == 0)
      #expect(!campaign.hasOrders)
    }
  }

  @Test("every deal can be ordered through its mediator, and its commission fits its payout")
  func deals() throws {
    for deal in catalog.deals {
      let campaign = try #require(catalog.campaigns.first { $0.id == deal.campaignID })
      let agency = try #require(campaign.allowedAgencyCodes.first)
      let assignments = catalog.assignments.filter { $0.campaignID == campaign.id }
      let offer = DealOffer(deal: deal, campaign: campaign, assignments: assignments)
      #expect(try offer.terms(mediator: deal.mediatorCode, agency: agency).owner == campaign.owner)
      #expect(deal.commission <= deal.payout)
      #expect(deal.payout == assignments.first?.payout ?? campaign.payout)
      #expect(deal.listing == campaign.listing)
    }
  }

  @Test("the payout of an assignment reaches its deal")
  func override() throws {
    let rating = try #require(catalog.deals.first { $0.listing.dealType == .rating })
    #expect(rating.payout == Money(paise: 7_000))
    #expect(rating.commission == Money(paise: 4_000))
    #expect(catalog.campaigns.map(\.status) == [.active, .active, .active, .active, .active, .draft])
  }
}
