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
      try await TestMongo.withDatabase("campaign", migrations: CampaignMigrations.all) { database in
        try await work(MongoCampaignStore(database))
      }
    }
  }
}
