public import AuditDomain
public import Kernel
public import Stubs

/// The user-facing half: one file of this folder per RPC.
public struct AuditService: AuditServiceHandlers {
  let store: any AuditStore
  let pageLimits: PageLimits

  public init(store: any AuditStore, pageLimits: PageLimits) {
    self.store = store
    self.pageLimits = pageLimits
  }
}

/// The half for the other services: one file of this folder per RPC.
public struct AuditInternalService: AuditInternalServiceHandlers {
  let store: any AuditStore
  let clock: any WallClock

  public init(store: any AuditStore, clock: any WallClock) {
    self.store = store
    self.clock = clock
  }
}
