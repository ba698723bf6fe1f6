import Kernel

/// Why the database did not do what it was asked. Server and driver errors are translated here once (DOMAIN 0.4);
/// nothing above looks at a code or a label.
public enum MongoFailure: Error, Hashable, Sendable {
  /// A unique index refused the write. Inside a transaction it has aborted everything.
  case duplicateKey(index: String, collection: String)
  /// Another transaction wrote the same document first.
  case writeConflict
  /// The transaction is gone; nothing of it happened. Running it again may succeed.
  case transientTransaction(String)
  /// The transaction may have happened or not: look the result up by its key.
  case unknownCommitResult
  /// The server stepped down or shuts down.
  case notPrimary(String)
  /// No server, or the connection broke. A single write outside a transaction may have happened.
  case network(String)
  /// The caller's deadline passed, here or at the server.
  case timeout
  /// The server stopped the operation at its `maxTimeMS`, before the caller's deadline.
  case maxTimeExpired
  /// Every connection was busy for as long as the caller was willing to queue.
  case poolExhausted
  /// The collection's validator refused the document.
  case validation(collection: String)
  /// A document cannot be read as what it should be, or must not be stored. Names the field, never its value.
  case malformedDocument(String)
  /// The client was closed.
  case closed
  /// Anything else. The message is for our log only.
  case other(code: Int32, message: String)
}

extension MongoFailure {
  /// Nothing of a transaction that fails with this has happened, and running it again may succeed.
  public var isTransient: Bool {
    switch self {
    case .writeConflict, .transientTransaction, .notPrimary, .network: true
    case .duplicateKey, .unknownCommitResult, .timeout, .maxTimeExpired, .poolExhausted, .validation,
      .malformedDocument, .closed, .other:
      false
    }
  }
}

extension MongoFailure {
  /// The case's name without what it holds: for metrics.
  public var kind: String {
    switch self {
    case .duplicateKey: "duplicate_key"
    case .writeConflict: "write_conflict"
    case .transientTransaction: "transient_transaction"
    case .unknownCommitResult: "unknown_commit_result"
    case .notPrimary: "not_primary"
    case .network: "network"
    case .timeout: "timeout"
    case .maxTimeExpired: "max_time_expired"
    case .poolExhausted: "pool_exhausted"
    case .validation: "validation"
    case .malformedDocument: "malformed_document"
    case .closed: "closed"
    case .other: "other"
    }
  }
}

extension MongoFailure: FailureConvertible {
  /// The one place where a database failure becomes what a caller sees. Own attempts have run out by then, so layers
  /// above must not multiply them.
  public var failure: Failure {
    switch self {
    case .duplicateKey:
      Failure(.duplicateEntry, "there is an entry like this already")
    case .writeConflict, .transientTransaction, .notPrimary, .network, .poolExhausted, .maxTimeExpired, .closed:
      Failure(
        .databaseUnavailable, "the database cannot answer now: send it again with the same request id",
        retriesExhausted: true)
    case .unknownCommitResult:
      Failure(
        .serviceUnavailable, "the outcome is not known yet: send it again with the same request id",
        retriesExhausted: true)
    case .timeout:
      Failure(.deadlineExceeded, "out of time: send it again with the same request id")
    case .validation, .malformedDocument, .other:
      Failure(.internalError, "internal error")
    }
  }
}

extension Failure {
  public init(_ failure: MongoFailure) {
    self = failure.failure
  }
}

extension MongoFailure: CustomStringConvertible {
  /// For logs: says more than callers may see, but never a stored value.
  public var description: String {
    switch self {
    case .duplicateKey(let index, let collection): "duplicate key in \(collection), index \(index)"
    case .writeConflict: "write conflict"
    case .transientTransaction(let text): "transient transaction failure: \(text)"
    case .unknownCommitResult: "the outcome of a commit is unknown"
    case .notPrimary(let text): "not primary: \(text)"
    case .network(let text): "network: \(text)"
    case .timeout: "the caller's deadline passed"
    case .maxTimeExpired: "the operation exceeded its time limit"
    case .poolExhausted: "no connection became free in time"
    case .validation(let collection): "\(collection): document failed validation"
    case .malformedDocument(let text): "malformed document: \(text)"
    case .closed: "the database client is closed"
    case .other(let code, let message): "code \(code): \(message)"
    }
  }
}
