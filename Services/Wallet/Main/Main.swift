import Config
import Kernel
import Reliability
import ServiceRuntime
import Stubs
import WalletAPI
import WalletDomain
import WalletStorage

@main
struct WalletMain {
  static func main() async {
    await ServiceProcess.run(WalletDefinition())
  }
}

/// What the process `wallet` is made of.
struct WalletDefinition: ServiceDefinition {
  static let name = ServiceName.wallet.rawValue

  let migrations = WalletMigrations.all

  func seed(_ profile: SeedProfile, _ host: ServiceHost<WalletSettings>) async throws {
    guard profile == .base || profile == .demo else { return }
    let ledger = try await MongoLedgerStore(host.mongo)
    // The seed's amounts are fixed: configured limits are for what comes after it.
    let queue = PostingQueue(
      store: ledger, clock: host.clock, limits: WalletLimits(), holder: { host.replica.target })
    try await SeedBase.apply(to: queue, WalletLimits()) { SeedID.text(forKey: $0) }
    await queue.resign()
    await ledger.close()
  }

  func assemble(_ host: ServiceHost<WalletSettings>) async throws -> ServiceAssembly {
    let outbox = host.outbox
    let ledger = try await MongoLedgerStore(host.mongo, wakeOutbox: { outbox.wake() })
    let queue = PostingQueue(
      store: ledger, clock: host.clock, limits: host.settings.limits, holder: { host.replica.target })
    let service = WalletService(
      queue: queue, store: MongoWalletStore(host.mongo),
      directory: RemotePartyDirectory(IdentityInternalServiceClient(host.channel(to: .identity))),
      limits: host.settings.limits, pageLimits: host.common.pageLimits, exportRowsMax: host.settings.exportRowsMax,
      clock: host.clock)
    let writes = WriteForwarding(queue: queue) { host.channel(toReplica: $0) }
    return ServiceAssembly(
      services: [WalletServiceBinding(service), WalletInternalServiceBinding(service)].map(writes.binding),
      background: [.init("lease") { await queue.keepLease() }], replicasHandOn: true)
  }
}
