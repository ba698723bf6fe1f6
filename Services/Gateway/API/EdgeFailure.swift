import Kernel
import Logging
import RPC

/// What a thrown error means at the edge.
enum EdgeFailure {
  /// The client went away, which cancelled our own task: nobody reads the answer.
  case abandoned
  case refused(Failure)

  /// Failures of services pass unchanged; being out of time is the gateway's to report; anything unknown is ours and
  /// masked.
  init(_ error: any Error, logger: Logger) {
    switch error {
    case is CancellationError where Task.isCancelled: self = .abandoned
    case let error as RPCError where error.code == .cancelled && Task.isCancelled: self = .abandoned
    case is CancellationError:
      // The client still waits: what was cancelled is on our side, a service that stops for example.
      logger.warning("a call was cancelled on its way")
      self = .refused(Failure(.serviceUnavailable, "the service cannot answer now"))
    case let error as RPCError: self = .refused(Self.renamed(Self.failure(of: error, logger)))
    default:
      let failure = Failure.visible(error)
      if failure.code == .internalError {
        logger.error("a call failed in a way nobody foresaw", metadata: ["error": "\(error)"])
      }
      self = .refused(Self.renamed(failure))
    }
  }

  /// What a transport says names hosts and ports: that is for our log. What a service says is for the caller.
  private static func failure(of error: RPCError, _ logger: Logger) -> Failure {
    let failure = Failure(error)
    guard error.errorInfo == nil else { return failure }
    logger.warning("a call failed on its way", metadata: ["status": "\(error.code)", "reason": "\(error.message)"])
    return Failure(failure.code, "the service cannot answer now", retryAfter: failure.retryAfter)
  }

  /// Being out of time has a name of its own here, and an internal failure's text is nobody's business.
  private static func renamed(_ failure: Failure) -> Failure {
    switch failure.kind {
    case .deadlineExceeded:
      Failure(.gatewayTimeout, "the answer did not come in time", retryAfter: failure.retryAfter)
    case .internal: Failure(failure.code, "something went wrong on our side")
    default: failure
    }
  }
}
