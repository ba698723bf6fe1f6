import CampaignDomain
import Mongo

extension CampaignMigrations {
  static let dealsIndexes = indexes(
    "003_deals_indexes", "One live deal per mediator and campaign, and the lists of deals", of: Deal.collection,
    [
      // One deal per mediator and campaign; a deleted one may be followed by another.
      IndexSpec(
        Deal.collection, ["campaignId": 1, "mediatorCode": 1], unique: true, partialFilter: ["deletedAt": .null]),
      // The shopper's product list.
      IndexSpec(Deal.collection, ["mediatorCode": 1, "active": 1, "deletedAt": 1, "createdAt": -1]),
      // The mediator's list.
      IndexSpec(Deal.collection, ["mediatorCode": 1, "createdAt": -1]),
      // The list of staff.
      IndexSpec(Deal.collection, ["active": 1, "createdAt": -1]),
    ])
}
