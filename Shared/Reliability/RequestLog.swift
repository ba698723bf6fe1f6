import Crypto
import Kernel
import Messages
import Mongo
import RPC

/// Which request of which caller: `(callerUserId, rpc, requestId)` of DOMAIN 0.4.
public struct RequestScope: Hashable, Sendable {
  public let callerID: String
  public let rpc: String
  public let requestID: String

  public init(callerID: String, rpc: String, requestID: String) {
    self.callerID = callerID
    self.rpc = rpc
    self.requestID = requestID
  }

  /// The stored field `scope`.
  var name: String { "\(callerID)/\(rpc)" }
}

/// Tells requests apart that carry the same id: SHA-256 of the method and the message without its id and secrets,
/// pictures by their hash.
public struct RequestFingerprint: Hashable, Sendable {
  public let bytes: [UInt8]

  public init(method: String, message: some Message) {
    var hash = SHA256()
    hash.update(data: Array(method.utf8))
    hash.update(data: [0])
    hash.update(data: message.fingerprintBytes { Array(SHA256.hash(data: $0)) })
    bytes = Array(hash.finalize())
  }

  public init(method: MethodDescriptor, message: some Message) {
    self.init(method: method.path, message: message)
  }
}

/// How a request ended, as its repetition is told.
public enum RememberedAnswer: Hashable, Sendable {
  /// The encoded response.
  case response([UInt8])
  /// A refusal that came with a change of state.
  case failure(code: ErrorCode, message: String)
}

/// An earlier call with the same key.
public struct Replay: Hashable, Sendable {
  public enum State: Hashable, Sendable {
    /// A saga has begun and not ended: wait for it within the deadline, else `SERVICE_UNAVAILABLE`.
    case pending
    case answered(RememberedAnswer)
  }

  public let state: State

  /// The encoded response, if there is one.
  public var response: [UInt8]? {
    if case .answered(.response(let bytes)) = state { bytes } else { nil }
  }
}

/// Remembers answers of requests, so that a repetition changes nothing and gets the same answer (DOMAIN 0.4).
///
/// Every write belongs in the transaction of the change that it remembers. Expiry is checked here; the TTL index only
/// cleans up.
public struct RequestLog: Sendable {
  public static let collection = "request_log"
  /// The unique index; a write that loses a race against the same request fails with it.
  public static let index = "scope_1_key_1"

  private let ttl: Duration

  public init(ttl: Duration = .seconds(7 * 86_400)) {
    self.ttl = ttl
  }

  /// For the service's own list of migrations.
  public static let migrationSteps: [MigrationStep] = [
    .createCollection(collection),
    .createIndexes([
      IndexSpec(collection, ["scope": 1, "key": 1], name: index, unique: true),
      IndexSpec(collection, ["expiresAt": 1], expireAfter: .zero),
    ]),
  ]

  /// What is known of the request; nil if it is new or too old. Fails with `IDEMPOTENCY_MISMATCH` when the id was
  /// used for something else.
  public func find(
    scope: RequestScope, fingerprint: [UInt8], now: Timestamp, in connection: MongoConnection
  ) throws -> Replay? {
    guard let document = try connection.findOne(Self.collection, Self.filter(scope)) else { return nil }
    let row = try RequestRow(document)
    guard row.expiresAt > now else { return nil }
    guard row.fingerprint == fingerprint else {
      throw Failure(.idempotencyMismatch, "the request id \(scope.requestID) was used for another request")
    }
    return Replay(state: row.answer.map { .answered($0) } ?? .pending)
  }

  /// Remembers the answer of a change that is complete with this transaction.
  ///
  /// An expired row is replaced. A row that is alive makes it fail with `MongoFailure.duplicateKey` on `index`: the
  /// same request was faster, look it up.
  public func store(
    scope: RequestScope, fingerprint: [UInt8], answer: RememberedAnswer, now: Timestamp,
    in connection: MongoConnection
  ) throws {
    try replaceExpired(scope, fingerprint, answer, now, connection)
  }

  public func store(
    scope: RequestScope, fingerprint: [UInt8], response: [UInt8], now: Timestamp, in connection: MongoConnection
  ) throws {
    try store(scope: scope, fingerprint: fingerprint, answer: .response(response), now: now, in: connection)
  }

  /// Remembers that a saga has begun: in the transaction of its first step.
  public func begin(
    scope: RequestScope, fingerprint: [UInt8], now: Timestamp, in connection: MongoConnection
  ) throws {
    try replaceExpired(scope, fingerprint, nil, now, connection)
  }

  /// The saga's answer: in the transaction of its last step. Also replaces the answer of an earlier step of the same
  /// request, and writes the row if it was cleaned up meanwhile.
  public func complete(
    scope: RequestScope, fingerprint: [UInt8], answer: RememberedAnswer, now: Timestamp,
    in connection: MongoConnection
  ) throws {
    let row = RequestRow(fingerprint: fingerprint, answer: answer, expiresAt: now.advanced(by: ttl))
    // An expired row of another request may still be there: the key is free again, whoever cleans up.
    _ = try connection.deleteOne(Self.collection, Self.filter(scope).appending("expiresAt", ["$lte": .datetime(now)]))
    _ = try connection.replaceOne(
      Self.collection, Self.filter(scope).appending("fingerprint", .binary(fingerprint)),
      row.document(scope), upsert: true)
  }

  /// The saga came to nothing: the request may be made again as if for the first time.
  public func forget(scope: RequestScope, fingerprint: [UInt8], in connection: MongoConnection) throws {
    try connection.deleteOne(Self.collection, Self.filter(scope).appending("fingerprint", .binary(fingerprint)))
  }

  private func replaceExpired(
    _ scope: RequestScope, _ fingerprint: [UInt8], _ answer: RememberedAnswer?, _ now: Timestamp,
    _ connection: MongoConnection
  ) throws {
    let row = RequestRow(fingerprint: fingerprint, answer: answer, expiresAt: now.advanced(by: ttl))
    _ = try connection.replaceOne(
      Self.collection, Self.filter(scope).appending("expiresAt", ["$lte": .datetime(now)]), row.document(scope),
      upsert: true)
  }

  private static func filter(_ scope: RequestScope) -> BSONDocument {
    ["scope": .string(scope.name), "key": .string(scope.requestID)]
  }
}

/// A row of `request_log`.
struct RequestRow: Sendable {
  let fingerprint: [UInt8]
  /// Nil while its saga runs.
  let answer: RememberedAnswer?
  let expiresAt: Timestamp
}

extension RequestRow {
  init(_ document: BSONDocument) throws {
    fingerprint = try document.binary("fingerprint")
    expiresAt = try document.datetime("expiresAt")
    if let response = try document.optionalBinary("response") {
      answer = .response(response)
    } else if let failure = try document.optionalDocument("failure") {
      guard let code = ErrorCode(rawValue: try failure.string("code")) else {
        throw MongoFailure.malformedDocument("`failure.code` of a remembered request")
      }
      answer = .failure(code: code, message: try failure.string("message"))
    } else {
      answer = nil
    }
  }

  func document(_ scope: RequestScope) -> BSONDocument {
    var response: BSONValue = .null
    var failure: BSONValue = .null
    switch answer {
    case .response(let bytes): response = .binary(bytes)
    case .failure(let code, let message): failure = ["code": .string(code.rawValue), "message": .string(message)]
    case nil: break
    }
    return [
      "scope": .string(scope.name), "key": .string(scope.requestID), "fingerprint": .binary(fingerprint),
      "response": response, "failure": failure, "expiresAt": .datetime(expiresAt),
    ]
  }
}
