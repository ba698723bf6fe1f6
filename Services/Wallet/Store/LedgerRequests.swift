import Kernel
import Mongo
import Reliability
import WalletDomain

extension LedgerReading {
  /// Wallet remembers responses only: a refusal that changed nothing is decided again.
  func requests() throws -> [StoredRequest] {
    let scopes = needs.requests.map(\.scope)
    return try RequestLog().answered(among: scopes, now: now, in: connection).compactMap { request in
      guard case .response(let response) = request.answer else { return nil }
      return StoredRequest(
        key: RequestKey(
          caller: request.scope.callerID, rpc: request.scope.rpc, requestID: request.scope.requestID),
        fingerprint: request.fingerprint, response: response, at: now)
    }
  }
}

extension LedgerWriting {
  func storeRequests() throws {
    for request in batch.requests {
      try RequestLog().store(
        scope: request.key.scope, fingerprint: request.fingerprint, response: request.response, now: request.at,
        in: connection)
    }
  }
}

extension RequestKey {
  fileprivate var scope: RequestScope { RequestScope(callerID: caller, rpc: rpc, requestID: requestID) }
}
