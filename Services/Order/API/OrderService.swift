import Access
import Kernel
public import Logging
import Messages
public import OrderDomain
import RPC
public import Stubs

/// The RPCs of `mobo.order.v1.OrderService`; one file each.
public struct OrderService: OrderServiceHandlers {
  let store: any OrderStore
  let slots: any CampaignSlots
  let directory: any PartyDirectory
  let verifier: any ProofVerifier
  let holding: FundsHolding
  let runner: SagaRunner
  let rules: OrderRules
  let clock: any WallClock
  let logger: Logger

  public init(
    runner: SagaRunner, holding: FundsHolding, directory: any PartyDirectory, verifier: any ProofVerifier,
    rules: OrderRules, logger: Logger
  ) {
    self.runner = runner
    store = runner.store
    slots = runner.slots
    clock = runner.clock
    self.holding = holding
    self.directory = directory
    self.verifier = verifier
    self.rules = rules
    self.logger = logger
  }

  /// Guard 6. Fails with `VALIDATION_FAILED` and `ORDER_NOT_FOUND`.
  func findOrder(_ text: String) async throws -> Order {
    let id = try OrderID(text, path: "orderId")
    guard let order = try await store.order(id) else { throw Failure(.orderNotFound, "there is no such order") }
    return order
  }
}

extension Viewer {
  init(_ principal: Principal) {
    self.init(
      userID: principal.userID, mobile: principal.mobile, roles: principal.roles, code: principal.mediatorCode)
  }
}
