import CampaignDomain
import Mongo

extension CampaignMigrations {
  static let campaignsIndexes = indexes(
    "001_campaigns_indexes", "Campaigns by owner, agency and state", of: Campaign.collection,
    [
      // The brand filter by status.
      IndexSpec(Campaign.collection, ["status": 1, "brandUserId": 1, "createdAt": -1]),
      // The brand's campaigns; the ownership check before a user is deleted.
      IndexSpec(Campaign.collection, ["brandUserId": 1, "deletedAt": 1, "createdAt": -1]),
      // Campaigns offered to an agency.
      IndexSpec(Campaign.collection, ["allowedAgencyCodes": 1, "status": 1, "createdAt": -1]),
      // The list of staff.
      IndexSpec(Campaign.collection, ["deletedAt": 1, "createdAt": -1]),
    ])
}
