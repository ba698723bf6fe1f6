import CampaignDomain
import CampaignStorage
import Mongo
import TestKit

extension StoreKind {
  /// Runs `work` on an empty store of this kind; a database of its own is dropped afterwards.
  func withCampaignStore(_ work: (any CampaignStore) async throws -> Void) async throws {
    switch self {
    case .memory: try await work(CampaignMemoryStore())
    case .mongo:
      try await TestMongo.run("campaign", migrations: CampaignMigrations.all) { mongo in
        try await work(MongoCampaignStore(mongo.database))
      }
    }
  }
}
