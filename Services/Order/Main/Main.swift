import Access
import Config
import Kernel
import Logging
import OrderAPI
import OrderDomain
import OrderStorage
import ServiceRuntime
import Stubs

@main
struct OrderMain {
  static func main() async {
    await ServiceProcess.run(OrderDefinition())
  }
}

/// What the process `order` is made of.
struct OrderDefinition: ServiceDefinition {
  static let name = ServiceName.order.rawValue

  let migrations = OrderMigrations.all

  func assemble(_ host: ServiceHost<OrderSettings>) async throws -> ServiceAssembly {
    let outbox = host.outbox
    let store = MongoOrderStore(host.mongo, wakeOutbox: { outbox.wake() })
    let slots = RemoteCampaignSlots(CampaignInternalServiceClient(host.channel(to: .campaign)))
    let funds = RemoteWalletFunds(WalletInternalServiceClient(host.channel(to: .wallet)))
    let directory = RemotePartyDirectory(IdentityInternalServiceClient(host.channel(to: .identity)))
    let runner = SagaRunner(
      store: store, slots: slots, funds: funds, answers: WireSagaAnswers(), clock: host.clock)
    let holding = FundsHolding(store: store, funds: funds, directory: directory, clock: host.clock)
    let service = OrderService(
      runner: runner, holding: holding, directory: directory, verifier: ManualProofVerifier(),
      rules: host.settings.rules, logger: host.logger)
    let reconciler = Reconciler(runner: runner, holding: holding) { order, error in
      host.logger.warning(
        "an order could not be helped this time", metadata: ["orderId": "\(order)", "error": "\(error)"])
    }
    return ServiceAssembly(
      services: [OrderServiceBinding(service)], needs: [.campaign, .wallet],
      background: [
        every(host.settings.sagaRetryInterval, "sagas", reconciler.sweepSagas),
        every(host.settings.holdRetryInterval, "unfunded holds", reconciler.sweepUnfunded),
        every(host.settings.sagaRetryInterval, "held slots", reconciler.sweepReservations),
      ])
  }

  /// In one replica at a time, and right after it has become that one: whoever was it before may have crashed and left
  /// its sagas behind.
  private func every(
    _ interval: Duration, _ name: String, _ sweep: @escaping @Sendable () async throws -> Void
  ) -> ServiceAssembly.BackgroundTask {
    ServiceAssembly.BackgroundTask(name, on: .leader) {
      while !Task.isCancelled {
        try await ActingFor.$current.withValue(.system) { try await sweep() }
        try await Task.sleep(for: interval, clock: .continuous)
      }
    }
  }
}
