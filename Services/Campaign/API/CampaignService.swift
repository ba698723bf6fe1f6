public import CampaignDomain
public import Kernel
public import Stubs

/// The user-facing half: one file of this folder per RPC.
public struct CampaignService: CampaignServiceHandlers {
  let store: any CampaignStore
  let agencies: any AgencySource
  let pageLimits: PageLimits

  public init(store: any CampaignStore, agencies: any AgencySource, pageLimits: PageLimits) {
    self.store = store
    self.agencies = agencies
    self.pageLimits = pageLimits
  }
}

/// The half for the other services: one file of this folder per RPC.
public struct CampaignInternalService: CampaignInternalServiceHandlers {
  let store: any CampaignStore
  let clock: any WallClock

  public init(store: any CampaignStore, clock: any WallClock) {
    self.store = store
    self.clock = clock
  }
}
