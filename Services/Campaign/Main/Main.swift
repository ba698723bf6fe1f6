import CampaignAPI
import CampaignDomain
import CampaignStorage
import Config
import Kernel
import Mongo
import Reliability
import ServiceRuntime
import Stubs

@main
struct CampaignMain {
  static func main() async {
    await ServiceProcess.run(CampaignDefinition())
  }
}

/// What the process `campaign` is made of.
struct CampaignDefinition: ServiceDefinition {
  static let name = ServiceName.campaign.rawValue

  let migrations = CampaignMigrations.all

  func seed(_ profile: SeedProfile, _ host: ServiceHost<NoSettings>) async throws {
    guard profile == .base || profile == .demo else { return }
    let catalog = SeedBase.catalog(at: host.clock.now()) { SeedID.text(forKey: $0) }
    try await MongoCampaignStore(host.mongo).insertMissing(catalog)
  }

  func assemble(_ host: ServiceHost<NoSettings>) async throws -> ServiceAssembly {
    let outbox = host.outbox
    let store = MongoCampaignStore(host.mongo, wakeOutbox: { outbox.wake() })
    let agencies = RemoteAgencySource(
      identity: IdentityInternalServiceClient(host.channel(to: .identity)), lifetime: host.common.authCacheTTL)
    return ServiceAssembly(services: [
      CampaignServiceBinding(
        CampaignService(store: store, agencies: agencies, pageLimits: host.common.pageLimits)),
      CampaignInternalServiceBinding(CampaignInternalService(store: store, clock: host.clock)),
    ])
  }
}
