public import Kernel

/// The campaigns, assignments and deals of the seed profile `base` (DOMAIN 13.1).
public enum SeedBase {
  private struct Share {
    let limit: Int64
    var payout: Int64?
  }

  private struct DealTerms {
    let key: String
    let commission: Int64
    let payout: Int64
  }

  /// Whose campaign it is and who sells it.
  private struct Network {
    let ownerKey: String
    let brandName: String
    let agencyCode: String
    let mediatorCode: String

    static let first = Network(
      ownerKey: "brandA", brandName: "Brand A", agencyCode: "AGY_TEST", mediatorCode: "MED_TEST")
    static let second = Network(
      ownerKey: "brandB", brandName: "Brand B", agencyCode: "AGY_TWO", mediatorCode: "MED_TWO")
  }

  private struct Row {
    let key: String
    let title: String
    var network = Network.first
    var type = DealType.discount
    let price: Int64
    let original: Int64
    let payout: Int64
    let days: Int32
    let slots: Int64
    var status = CampaignStatus.active
    var share: Share?
    var deal: DealTerms?
  }

  private static let rows: [Row] = [
    Row(
      key: "C1", title: "Demo Discount", price: 99_900, original: 120_000, payout: 10_000, days: 14, slots: 100,
      share: Share(limit: 100), deal: DealTerms(key: "D1", commission: 5_000, payout: 10_000)),
    Row(
      key: "C2", title: "Demo Review", type: .review, price: 49_900, original: 59_900, payout: 12_000, days: 7,
      slots: 10, share: Share(limit: 5), deal: DealTerms(key: "D2", commission: 8_000, payout: 12_000)),
    Row(
      key: "C3", title: "Demo Rating", type: .rating, price: 29_900, original: 29_900, payout: 8_000, days: 10,
      slots: 10, share: Share(limit: 5, payout: 7_000), deal: DealTerms(key: "D3", commission: 4_000, payout: 7_000)),
    Row(
      key: "C4", title: "Last Slot", price: 10_000, original: 10_000, payout: 2_000, days: 0, slots: 1,
      deal: DealTerms(key: "D4", commission: 1_000, payout: 2_000)),
    Row(
      key: "C5", title: "Thin Wallet", network: .second, price: 50_000, original: 0, payout: 20_000, days: 0, slots: 5,
      deal: DealTerms(key: "D5", commission: 15_000, payout: 20_000)),
    Row(
      key: "C6", title: "Draft", price: 20_000, original: 25_000, payout: 3_000, days: 14, slots: 10, status: .draft),
  ]

  /// - Parameter id: the id that seed data fixes for a key; the parties that identity seeds are named by it as well.
  public static func catalog(at now: Timestamp, id: (String) -> String) -> Catalog {
    var catalog = Catalog()
    for (number, row) in rows.enumerated() {
      // A second apart, so that lists show the seed in one order everywhere.
      let at = Timestamp(milliseconds: now.milliseconds - Int64(1_000 * (rows.count - number)))
      let campaign = self.campaign(row, at: at, id: id)
      catalog.campaigns.append(campaign)
      if let share = row.share {
        catalog.assignments.append(assignment(row, share, of: campaign, id: id))
      }
      if let terms = row.deal {
        catalog.deals.append(deal(row, terms, of: campaign, id: id))
      }
    }
    return catalog
  }

  private static func campaign(_ row: Row, at: Timestamp, id: (String) -> String) -> Campaign {
    Campaign(
      id: ID(known: id(row.key)),
      listing: Listing(
        title: row.title, image: "https://placehold.co/600x400", productURL: "https://example.com/product",
        platform: "Amazon", brandName: row.network.brandName, dealType: row.type,
        originalPrice: Money(paise: row.original), price: Money(paise: row.price), returnWindowDays: row.days),
      owner: CampaignOwner(userID: ID(known: id(row.network.ownerKey)), kind: .brand),
      payout: Money(paise: row.payout), totalSlots: row.slots, assignedSlots: row.share?.limit ?? 0,
      status: row.status, allowedAgencyCodes: [code(row.network.agencyCode)],
      lock: row.share.map { _ in CampaignLock(reason: .slotAssignment, at: at) }, createdAt: at, updatedAt: at)
  }

  private static func assignment(
    _ row: Row, _ share: Share, of campaign: Campaign, id: (String) -> String
  ) -> Assignment {
    Assignment(
      id: ID(known: id("\(row.key)/\(row.network.mediatorCode)")), campaignID: campaign.id,
      code: code(row.network.mediatorCode), codeKind: .mediator, agencyCode: code(row.network.agencyCode),
      limit: share.limit, payout: share.payout.map { Money(paise: $0) }, assignedBy: campaign.owner.userID,
      createdAt: campaign.createdAt, updatedAt: campaign.createdAt)
  }

  private static func deal(
    _ row: Row, _ terms: DealTerms, of campaign: Campaign, id: (String) -> String
  ) -> Deal {
    Deal(
      id: ID(known: id(terms.key)), campaignID: campaign.id, mediatorCode: code(row.network.mediatorCode),
      listing: campaign.listing, commission: Money(paise: terms.commission), payout: Money(paise: terms.payout),
      createdAt: campaign.createdAt, updatedAt: campaign.createdAt)
  }

  private static func code(_ text: String) -> PartyCode {
    // The texts are the literals above: a malformed one is a mistake in this file, which its unit test finds.
    guard let code = PartyCode(text) else { preconditionFailure("the seed holds the malformed code \(text)") }
    return code
  }
}
