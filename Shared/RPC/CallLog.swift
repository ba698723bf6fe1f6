internal import Kernel
public import Logging

/// Writes one line per call: who called what, how it ended and how long it took. Never a body.
///
/// Belongs in front of all other interceptors, so that their refusals are logged too.
public struct CallLog: ServerFilter {
  private let logger: Logger
  /// Whether successes are written too. Asking the logger copies its handler.
  private let isComplete: Bool

  public init(logger: Logger) {
    self.logger = logger
    isComplete = logger.logLevel <= .info
  }

  public func admit(_ context: inout CallContext) {}

  public func finished(_ context: CallContext, _ error: (any Error)?) {
    guard let error else {
      if isComplete { write(context, .ok, nil) }
      return
    }
    let outcome = CallLog.outcome(error, context)
    write(context, outcome.code, outcome.reason)
  }

  /// A handler that was told to stop does not know why; the deadline does.
  private static func outcome(_ error: any Error, _ context: CallContext) -> (code: StatusCode, reason: String?) {
    if error is CancellationError, context.deadline?.hasPassed == true { return (.deadlineExceeded, nil) }
    if let failure = error as? Failure { return (StatusCode(failure.kind), failure.code.rawValue) }
    let status = RPCError(thrown: error)
    return (status.code, status.metadata["mobo-error-code"])
  }

  private func write(_ context: CallContext, _ code: StatusCode, _ reason: String?) {
    var metadata: Logger.Metadata = [
      "method": "\(context.method)",
      "code": "\(code)",
      "duration_ms": "\(CallLog.text(ContinuousClock.now - context.started))",
      "request_id": "\(context.requestID)",
      "peer": "\(context.peer)",
    ]
    if let caller = context.notedCaller { metadata["caller"] = "\(caller)" }
    if let reason { metadata["reason"] = "\(reason)" }
    logger.log(level: CallLog.level(code), "call", metadata: metadata)
  }

  /// Milliseconds with three digits.
  private static func text(_ duration: Duration) -> String {
    let microseconds = duration.components.seconds * 1_000_000 + duration.components.attoseconds / 1_000_000_000_000
    let fraction = String(microseconds % 1_000)
    return "\(microseconds / 1_000).\(String(repeating: "0", count: 3 - fraction.count))\(fraction)"
  }

  /// What somebody should look at stands out.
  private static func level(_ code: StatusCode) -> Logger.Level {
    switch code {
    case .internal, .unknown, .dataLoss: .error
    case .unavailable, .deadlineExceeded, .resourceExhausted: .warning
    default: .info
    }
  }
}
