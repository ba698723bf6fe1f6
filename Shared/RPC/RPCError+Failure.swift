public import Kernel
internal import Messages

// The one place where refusals of the product become statuses of the wire, and back (DOMAIN 0.2).

extension StatusCode {
  /// One status per kind. The switch names every kind, so adding one asks for a decision here.
  public init(_ kind: FailureKind) {
    self =
      switch kind {
      case .invalidArgument: .invalidArgument
      case .unauthenticated: .unauthenticated
      case .permissionDenied: .permissionDenied
      case .notFound: .notFound
      case .alreadyExists: .alreadyExists
      case .failedPrecondition: .failedPrecondition
      case .aborted: .aborted
      case .resourceExhausted: .resourceExhausted
      case .unimplemented: .unimplemented
      case .unavailable: .unavailable
      case .deadlineExceeded: .deadlineExceeded
      case .internal: .internal
      }
  }
}

extension RPCError {
  /// The domain of our error codes in `ErrorInfo`.
  static let domain = "mobo"
  static let maskedMessage = "internal error"

  /// The status of a refusal. What an internal failure says stays in our log.
  public init(_ failure: Failure) {
    let code = StatusCode(failure.kind)
    let isMasked = failure.kind == .internal
    self.init(
      code, isMasked ? RPCError.maskedMessage : failure.message,
      metadata: ["mobo-error-code": failure.code.rawValue],
      pushback: failure.retriesExhausted ? .never : nil)
    var info = GoogleRPC.ErrorInfo(reason: failure.code.rawValue, domain: RPCError.domain)
    if !isMasked { info.metadata = failure.metadata }
    append(detail: info)
    if !failure.violations.isEmpty, !isMasked {
      var request = GoogleRPC.BadRequest()
      request.fieldViolations = failure.violations.map { .init(field: $0.path, description: $0.message) }
      append(detail: request)
    }
    if let delay = failure.retryAfter {
      append(detail: GoogleRPC.RetryInfo(retryDelay: GoogleProtobuf.Duration(delay)))
    }
  }

  /// The status of whatever a handler threw.
  init(thrown error: any Error) {
    switch error {
    case let error as RPCError: self = error
    case let failure as Failure: self.init(failure)
    case let error as any FailureConvertible: self.init(error.failure)
    case is CancellationError: self.init(.cancelled, "the call was cancelled")
    default: self.init(Failure(.internalError, RPCError.maskedMessage))
    }
  }
}

extension Failure {
  /// What a caller of another service is told: that service's own refusal, if it is one of ours, else what the
  /// transport makes of it.
  public init(_ error: RPCError) {
    let exhausted = error.pushback == .never
    let delay = error.detail(GoogleRPC.RetryInfo.self)?.retryDelay?.kernel
    if let info = error.errorInfo, info.domain == RPCError.domain, let code = ErrorCode(rawValue: info.reason) {
      let violations = error.detail(GoogleRPC.BadRequest.self)?.fieldViolations ?? []
      self.init(
        code, error.message, violations: violations.map { FieldViolation($0.field, $0.description) },
        retryAfter: delay, metadata: info.metadata, retriesExhausted: exhausted)
    } else {
      // A transport's text names hosts and ports: callers of ours may hand it on, so it ends here and in the log.
      let code = Failure.code(error.code)
      let message = code == .serviceUnavailable ? "a service that is needed cannot be reached now" : error.message
      self.init(code, message, retryAfter: delay, retriesExhausted: exhausted)
    }
  }

  /// For statuses without a code of ours: made by a transport, or by a server that is not ours.
  private static func code(_ status: StatusCode) -> ErrorCode {
    switch status {
    // Exhausted is a transport's own limit (message size, streams): our services say which limit it is by a code.
    case .unavailable, .cancelled, .resourceExhausted: .serviceUnavailable
    case .deadlineExceeded: .deadlineExceeded
    case .unimplemented: .unimplemented
    case .unauthenticated: .unauthenticated
    case .permissionDenied: .forbidden
    case .aborted: .concurrentModification
    case .invalidArgument: .validationFailed
    case .ok, .unknown, .notFound, .alreadyExists, .failedPrecondition, .outOfRange, .internal, .dataLoss:
      .internalError
    }
  }
}
