public import CampaignDomain
import Kernel
import Mongo

extension MongoCampaignStore {
  public func insertMissing(_ catalog: Catalog) async throws {
    let owners = Dictionary(
      catalog.campaigns.map { ($0.id, $0.owner.userID) }, uniquingKeysWith: { first, _ in first })
    let campaigns = catalog.campaigns.map { $0.document(createdBy: $0.owner.userID) }
    let assignments = catalog.assignments.map(\.document)
    let deals = catalog.deals.map { $0.document(createdBy: owners[$0.campaignID]) }
    try await database.run { connection in
      _ = try connection.insertMissing(Campaign.collection, campaigns)
      _ = try connection.insertMissing(Assignment.collection, assignments)
      _ = try connection.insertMissing(Deal.collection, deals)
    }
  }
}
