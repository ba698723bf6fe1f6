import Access
import Kernel
import Messages
import OrderDomain
import RPC
import Reliability

extension RequestKey {
  /// Nil when the caller has not named the call: it then cannot be repeated safely, and is not remembered.
  init?(_ request: some RequestIdentified, _ context: CallContext) throws {
    guard !request.requestId.isEmpty else { return nil }
    self.init(
      callerID: try context.principal().userID.rawValue, rpc: context.method.name, requestID: request.requestId,
      fingerprint: RequestFingerprint(method: context.method, message: request).bytes.hex)
  }
}

extension Sequence<UInt8> {
  /// Lower-case hex.
  var hex: String {
    reduce(into: "") { text, byte in
      if byte < 16 { text.append("0") }
      text.append(String(byte, radix: 16))
    }
  }
}

extension OrderService {
  /// Looks at a call this often before giving up on whoever else works on it.
  private static let looksMax = 4

  /// Guard 5: answers a repeat as the call was answered, takes a saga that it has begun over, else makes the call.
  ///
  /// - Parameters:
  ///   - resume: drives the saga of an earlier call with the same key, or waits for whoever does; nil when it ended.
  ///   - start: makes the call; nil when another writer was faster.
  ///   - startsMax: 2 for calls that may decide again on what the other writer has left.
  func once<Response: ReplayMarked>(
    _ key: RequestKey?, startsMax: Int = 1, resume: (RequestKey) async throws -> Response? = { _ in nil },
    start: () async throws -> Response?
  ) async throws -> Response {
    var starts = 0
    var isPending = false
    for _ in 0..<Self.looksMax {
      switch try await recall(key) {
      case .answered(.response(let bytes)):
        var response = try Response(serialized: bytes)
        response.replayed = true
        return response
      case .answered(.failure(let refusal)): throw refusal.failure
      case .pending:
        isPending = true
        if let key, let response = try await resume(key) { return response }
      case .unknown:
        guard starts < startsMax else { throw Self.lostRace }
        starts += 1
        if let response = try await startAside(key, start) { return response }
      }
    }
    throw isPending ? SagaRunner.outcomeUnknown : Self.lostRace
  }

  private func recall(_ key: RequestKey?) async throws -> RequestMemory {
    guard let key else { return .unknown }
    return try await store.recall(key, at: clock.now())
  }

  /// What refuses the call may be this very call, sent twice at once, and what it has done already: then its twin has
  /// the answer.
  private func startAside<Response>(
    _ key: RequestKey?, _ start: () async throws -> Response?
  ) async throws -> Response? {
    do {
      return try await start()
    } catch let failure as Failure where Self.mayStemFromATwin.contains(failure.kind) {
      guard try await recall(key) != .unknown else { throw failure }
      return nil
    }
  }

  /// Duplicates, states and limits; not UNAVAILABLE, which is an outcome of our own that nobody knows yet.
  private static let mayStemFromATwin: Set<FailureKind> = [
    .alreadyExists, .failedPrecondition, .aborted, .resourceExhausted,
  ]

  static let lostRace = Failure(.orderStateMismatch, "the order has changed meanwhile: look at it again")
}

/// Encodes the answers that sagas are remembered by, whoever finishes them.
public struct WireSagaAnswers: SagaAnswers {
  public init() {}

  public func created(_ order: Order) throws -> [UInt8] {
    try OrderV1.CreateOrderResponse(order: OrderV1.Order(order, .buyer)).serialized()
  }

  public func settled(_ order: Order, _ outcome: SettlementOutcome) throws -> [UInt8] {
    try OrderV1.SettleOrderResponse(order, outcome).serialized()
  }
}

extension OrderV1.SettleOrderResponse {
  /// Settlers are the network or staff; both see everything.
  init(_ order: Order, _ outcome: SettlementOutcome) {
    self.init(outcome: .init(domain: outcome), order: OrderV1.Order(order, .everything))
  }
}
