import HTTP
import Kernel
import Logging

/// One line per request: what was asked, what came of it, how long it took. Never a body, a query or a token.
struct AccessLog: Sendable {
  let logger: Logger

  init(_ logger: Logger) {
    self.logger = logger
  }

  /// - Parameter route: nil when the path leads nowhere.
  func write(
    _ head: HTTPRequestHead?, route: String?, _ response: HTTPResponse, _ code: ErrorCode?, _ requestID: String,
    since started: ContinuousClock.Instant?
  ) {
    var metadata: Logger.Metadata = [
      "route": "\(route ?? "none")", "status": "\(response.status)", "requestId": "\(requestID)",
      "bytes": "\(response.body.count)",
    ]
    if let head {
      metadata["method"] = "\(head.method.prefix(16))"
      metadata["peer"] = "\(head.peer)"
    }
    if let code { metadata["code"] = "\(code.rawValue)" }
    if let started {
      let spent = started.duration(to: .now).components
      metadata["ms"] = "\(spent.seconds * 1_000 + spent.attoseconds / 1_000_000_000_000_000)"
    }
    logger.info("request", metadata: metadata)
  }
}
