/// What a caller can do about a failure. Each kind has exactly one gRPC status.
public enum FailureKind: Sendable, CaseIterable {
  case invalidArgument
  case unauthenticated
  case permissionDenied
  case notFound
  case alreadyExists
  case failedPrecondition
  case aborted
  case resourceExhausted
  case unimplemented
  case unavailable
  case deadlineExceeded
  case `internal`
}

/// One refused field of a request.
public struct FieldViolation: Hashable, Sendable {
  /// The JSON path, for example `assignments[0].code`.
  public let path: String
  public let message: String

  public init(_ path: String, _ message: String) {
    self.path = path
    self.message = message
  }
}

/// A refusal that the caller is meant to see: everything else that is thrown becomes `INTERNAL_ERROR` with a masked
/// message.
///
/// `code` is stable and machine-readable; `message` is for people, may change and never carries a secret.
public struct Failure: Error, Hashable, Sendable {
  public let code: ErrorCode
  public let message: String
  /// The refused fields, for `VALIDATION_FAILED` and its relatives.
  public let violations: [FieldViolation]
  /// How long to wait before trying again; nil when waiting does not help or is unknown.
  public let retryAfter: Duration?
  /// Facts for programs, for example the seconds left of a lock. Travels as `ErrorInfo.metadata`.
  public let metadata: [String: String]
  /// True when the refusal is final for this attempt chain: layers above must not multiply attempts.
  public let retriesExhausted: Bool

  public init(
    _ code: ErrorCode, _ message: String, violations: [FieldViolation] = [], retryAfter: Duration? = nil,
    metadata: [String: String] = [:], retriesExhausted: Bool = false
  ) {
    self.code = code
    self.message = message
    self.violations = violations
    self.retryAfter = retryAfter
    self.metadata = metadata
    self.retriesExhausted = retriesExhausted
  }

  public var kind: FailureKind { code.kind }

  /// `VALIDATION_FAILED` about one field.
  public static func validation(_ path: String, _ message: String) -> Failure {
    .validation([FieldViolation(path, message)])
  }

  /// `VALIDATION_FAILED`; the message repeats the first violation.
  public static func validation(_ violations: [FieldViolation]) -> Failure {
    let first = violations.first.map { "\($0.path) \($0.message)" } ?? "the request is not valid"
    return Failure(.validationFailed, first, violations: violations)
  }
}

/// An error of a lower layer that knows how it looks to a caller. The RPC boundary asks it; everything else that is
/// not a `Failure` is masked.
public protocol FailureConvertible: Error {
  var failure: Failure { get }
}

extension Failure {
  /// What a caller may see of any error. Nothing of an unknown error's text leaves the process.
  public static func visible(_ error: any Error) -> Failure {
    switch error {
    case let failure as Failure: failure
    case let convertible as any FailureConvertible: convertible.failure
    case is CancellationError: Failure(.serviceUnavailable, "the call was cancelled")
    default: Failure(.internalError, "internal error")
    }
  }
}
