import Kernel

/// Which request of which caller (DOMAIN 0.4).
public struct RequestKey: Hashable, Sendable {
  /// The calling user's id.
  public let caller: String
  /// The method's name, for example `Deposit`.
  public let rpc: String
  public let requestID: String

  public init(caller: String, rpc: String, requestID: String) {
    self.caller = caller
    self.rpc = rpc
    self.requestID = requestID
  }
}

/// How a user's request is remembered in the transaction of its change, so that repeating it returns the same answer.
public struct RequestRecord<Answer: Sendable>: Sendable {
  public let key: RequestKey
  /// A digest of the request without its id: the same id with another body is a mistake.
  public let fingerprint: [UInt8]
  /// The response to store; opaque to the domain.
  let response: @Sendable (Answer) throws -> [UInt8]

  public init(key: RequestKey, fingerprint: [UInt8], response: @escaping @Sendable (Answer) throws -> [UInt8]) {
    self.key = key
    self.fingerprint = fingerprint
    self.response = response
  }

  /// The stored response, if the request was answered before. Fails with `IDEMPOTENCY_MISMATCH`.
  func replay(in ledger: Ledger) throws(Failure) -> [UInt8]? {
    guard let stored = ledger.requests[key] else { return nil }
    guard stored.fingerprint == fingerprint else {
      throw Failure(.idempotencyMismatch, "the request id \(key.requestID) was used for another request")
    }
    return stored.response
  }
}

/// An answered request.
public struct StoredRequest: Hashable, Sendable {
  public let key: RequestKey
  public let fingerprint: [UInt8]
  public let response: [UInt8]
  public let at: Timestamp

  public init(key: RequestKey, fingerprint: [UInt8], response: [UInt8], at: Timestamp) {
    self.key = key
    self.fingerprint = fingerprint
    self.response = response
    self.at = at
  }
}

/// How a command ended, when it was not refused.
public enum Outcome<Answer: Sendable>: Sendable {
  case applied(Answer)
  /// Done before, under the same business key; nothing was written.
  case replayed(Answer)
  /// Answered before, under the same request id: the stored response.
  case stored([UInt8])
}
