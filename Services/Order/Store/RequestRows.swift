import Kernel
import Mongo
import OrderDomain
import Reliability

/// The memory of calls, in the terms of this service.
enum RequestRows {
  private static let log = RequestLog()

  static func find(_ key: RequestKey, now: Timestamp, _ connection: MongoConnection) throws -> RequestMemory {
    let replay = try log.find(scope: key.scope, fingerprint: key.fingerprintBytes, now: now, in: connection)
    switch replay?.state {
    case nil: return .unknown
    case .pending: return .pending
    case .answered(.response(let bytes)): return .answered(.response(bytes))
    case .answered(.failure(let code, let message)):
      return .answered(.failure(Refusal(code: code, message: message)))
    }
  }

  static func apply(_ effect: RequestEffect, now: Timestamp, _ connection: MongoConnection) throws {
    switch effect {
    case .none: return
    case .begin(let key):
      try log.begin(scope: key.scope, fingerprint: key.fingerprintBytes, now: now, in: connection)
    case .answer(let key, let answer):
      try log.complete(
        scope: key.scope, fingerprint: key.fingerprintBytes, answer: RememberedAnswer(answer), now: now,
        in: connection)
    case .forget(let key):
      try log.forget(scope: key.scope, fingerprint: key.fingerprintBytes, in: connection)
    }
  }
}

extension RequestKey {
  fileprivate var scope: RequestScope { RequestScope(callerID: callerID, rpc: rpc, requestID: requestID) }

  fileprivate var fingerprintBytes: [UInt8] { Array(fingerprint.utf8) }
}

extension RememberedAnswer {
  fileprivate init(_ answer: RequestAnswer) {
    self =
      switch answer {
      case .response(let bytes): .response(bytes)
      case .failure(let refusal): .failure(code: refusal.code, message: refusal.message)
      }
  }
}
