import Kernel

extension ErrorCode {
  /// The HTTP status of a refusal: one per kind, except where HTTP has a better word (DOMAIN 0.2 and 14).
  public var httpStatus: Int {
    switch self {
    case .invalidOrderProof, .ratingVerificationFailed: 422
    case .methodNotAllowed: 405
    case .requestTooLarge: 413
    case .unsupportedMediaType: 415
    default: kind.httpStatus
    }
  }
}

extension FailureKind {
  /// Exhaustive on purpose: a new kind does not compile until its status is chosen.
  public var httpStatus: Int {
    switch self {
    case .invalidArgument: 400
    case .unauthenticated: 401
    case .permissionDenied: 403
    case .notFound: 404
    case .alreadyExists: 409
    case .failedPrecondition: 409
    case .aborted: 409
    case .resourceExhausted: 429
    case .unimplemented: 404
    case .unavailable: 503
    case .deadlineExceeded: 504
    case .internal: 500
    }
  }
}

/// Statuses that belong to no error code.
enum HTTPStatusCode {
  static let ok = 200
  /// The client went away before its answer (a convention of proxies, no RFC). Only the log ever sees it.
  static let clientClosedRequest = 499
}
