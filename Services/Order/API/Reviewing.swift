import Access
import Kernel
import Messages
import OrderDomain
import RPC

/// What the RPCs of the review have in common: the guards, the commit, and the hold that an approval asks for.
extension OrderService {
  /// How long an approving call waits for wallet; then the reconciler asks.
  static let holdPatience = Duration.seconds(3)

  typealias Decision = (Order, Actor, Timestamp) throws(Failure) -> ReviewResult

  /// Nil when another writer was faster.
  func review<Response: Message>(
    _ orderID: String, _ context: CallContext, _ key: RequestKey?, _ decide: Decision,
    response: (Order, String?) -> Response
  ) async throws -> Response? {
    let viewer = Viewer(try context.principal())
    let order = try await findOrder(orderID)
    try Review.requireScope(viewer, on: order)
    let parties = try await directory.parties(of: order, actedOnBy: viewer)
    try Review.admit(viewer, on: order, parties: parties, rules: rules)
    let now = clock.now()
    let result = try decide(order, context.actor, now)

    let answer = response(result.order, result.reason)
    guard let change = result.change else {
      if let key { try await store.remember(key, .response(try answer.serialized()), at: now) }
      return answer
    }
    let effect: RequestEffect =
      if let key { .answer(key, .response(try answer.serialized())) } else { .none }
    guard try await store.commit(change, effect) == .committed else { return nil }
    guard result.order.fundsHold == .requested else { return answer }
    let held = await hold(result.order, key) { try response($0, result.reason).serialized() }
    return response(held, result.reason)
  }

  /// The approval stands whatever comes of this.
  private func hold(
    _ order: Order, _ key: RequestKey?, answer: (Order) throws -> [UInt8]
  ) async -> Order {
    do {
      return try await Deadline.$current.withValue(.soonest(of: Self.holdPatience)) {
        try await holding.request(for: order, key: key, answer: answer)
      }
    } catch {
      logger.warning(
        "the hold of an approved order is left to the reconciler",
        metadata: ["orderId": "\(order.id)", "error": "\(error)"])
      return order
    }
  }
}
