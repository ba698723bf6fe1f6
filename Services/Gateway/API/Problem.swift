import HTTP
import Kernel
import Messages

/// A refusal as an RFC 9457 document: one shape for every failure, the gateway's own included (DOMAIN 0.2).
struct Problem: Sendable {
  let failure: Failure
  let status: Int
  let requestID: String

  /// - Parameter status: overrides the code's own, for refusals of HTTP that have no code of their own.
  init(_ failure: Failure, status: Int? = nil, requestID: String) {
    self.failure = failure
    self.status = status ?? failure.code.httpStatus
    self.requestID = requestID
  }

  var response: HTTPResponse {
    var headers: HTTPFields = ["content-type": "application/problem+json"]
    if let wait = failure.retryAfter { headers.append("retry-after", "\(Self.seconds(wait))") }
    if failure.kind == .unauthenticated { headers.append("www-authenticate", "Bearer") }
    return HTTPResponse(status: status, headers: headers, body: body)
  }

  private var body: [UInt8] {
    var writer = JSONWriter()
    writer.beginObject()
    member("type", "/problems/\(failure.code.rawValue)", &writer)
    member("title", failure.code.title, &writer)
    writer.name("status")
    writer.number(Int64(status))
    member("detail", failure.message, &writer)
    member("code", failure.code.rawValue, &writer)
    member("requestId", requestID, &writer)
    if !failure.violations.isEmpty {
      writer.name("errors")
      writer.beginArray()
      for violation in failure.violations {
        writer.beginObject()
        member("path", violation.path, &writer)
        member("message", violation.message, &writer)
        writer.endObject()
      }
      writer.endArray()
    }
    writer.endObject()
    return writer.bytes
  }

  private func member(_ name: String, _ value: String, _ writer: inout JSONWriter) {
    writer.name(name)
    writer.string(value)
  }

  /// Rounded up: coming back too early would be in vain.
  private static func seconds(_ wait: Duration) -> Int64 {
    let (seconds, attoseconds) = wait.components
    return max(0, seconds + (attoseconds > 0 ? 1 : 0))
  }
}
