import AuditAPI
import AuditDomain
import AuditStorage
import Config
import Kernel
import Mongo
import ServiceRuntime
import Stubs

@main
struct AuditMain {
  static func main() async {
    await ServiceProcess.run(AuditDefinition())
  }
}

/// What the process `audit` is made of.
struct AuditDefinition: ServiceDefinition {
  static let name = ServiceName.audit.rawValue

  let migrations = AuditMigrations.all
  let appendOnlyCollections = AuditMigrations.appendOnlyCollections

  func assemble(_ host: ServiceHost<NoSettings>) async throws -> ServiceAssembly {
    let store = MongoAuditStore(host.mongo)
    return ServiceAssembly(services: [
      AuditServiceBinding(AuditService(store: store, pageLimits: host.common.pageLimits)),
      AuditInternalServiceBinding(AuditInternalService(store: store, clock: host.clock)),
    ])
  }
}
