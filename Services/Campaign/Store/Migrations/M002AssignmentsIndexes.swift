import CampaignDomain
import Mongo

extension CampaignMigrations {
  static let assignmentsIndexes = indexes(
    "002_assignments_indexes", "One assignment per code and campaign, and the ways to look for them",
    of: Assignment.collection,
    [
      // One share or quota per code.
      IndexSpec(Assignment.collection, ["code": 1, "campaignId": 1], unique: true),
      // The assignments of a campaign.
      IndexSpec(Assignment.collection, ["campaignId": 1]),
      // Campaigns assigned to an agency or to its mediators.
      IndexSpec(Assignment.collection, ["agencyCode": 1, "campaignId": 1]),
      // The mediator's campaigns.
      IndexSpec(Assignment.collection, ["code": 1, "active": 1, "createdAt": -1]),
    ])
}
