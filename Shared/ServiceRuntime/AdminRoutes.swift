import HTTP
import Kernel
import Messages
import Telemetry

/// `/live`, `/ready`, `/health` and `/metrics` of the admin port (DOMAIN 12.3, PLATFORM 8).
struct AdminRoutes: HTTPHandler {
  let health: HealthState
  let clock: any WallClock
  let metrics: @Sendable () -> String

  /// Enough that a request with the wrong method is told so, and not that its body is too long.
  func bodyBytesMax(for head: HTTPRequestHead) -> Int { 4_096 }

  func respond(to request: HTTPRequest) async -> HTTPResponse {
    let path = request.head.path
    let requestID = Self.requestID(request.head)
    guard Self.paths.contains(path) else {
      return Self.problem(404, .routeNotFound, "there is nothing here", requestID)
    }
    guard request.head.method == "GET" || request.head.method == "HEAD" else {
      var response = Self.problem(405, .methodNotAllowed, "use GET", requestID)
      response.headers["allow"] = "GET, HEAD"
      return response
    }
    return switch path {
    case "/live": Self.json(200) { $0.member("status", "ok") }
    case "/ready": ready()
    case "/health": await state()
    default: HTTPResponse(status: 200, contentType: Metrics.contentType, text: metrics())
    }
  }

  func response(to refusal: HTTPRefusal, head: HTTPRequestHead?) -> HTTPResponse {
    let code = refusal.status == 413 ? ErrorCode.requestTooLarge : .validationFailed
    return Self.problem(refusal.status, code, "the request cannot be served", Self.requestID(head))
  }

  static let paths: Set<String> = ["/live", "/ready", "/health", "/metrics"]
  /// What the gateway also answers on its public port.
  static let publicPaths: Set<String> = ["/live", "/ready", "/health"]

  private func ready() -> HTTPResponse {
    let reasons = health.reasonsNotReady
    return Self.json(reasons.isEmpty ? 200 : 503) { writer in
      writer.member("status", reasons.isEmpty ? "ok" : "not ready")
      guard !reasons.isEmpty else { return }
      writer.name("reasons")
      writer.beginArray()
      for reason in reasons { writer.string(reason) }
      writer.endArray()
    }
  }

  private func state() async -> HTTPResponse {
    let database = health.databaseState
    let services = await health.dependencyStates()
    let isOK = (database ?? .connected) == .connected && (services ?? [:]).values.allSatisfy { $0 == "ok" }
    return Self.json(isOK ? 200 : 503) { writer in
      writer.member("status", isOK ? "ok" : "degraded")
      writer.member("timestamp", clock.now().rfc3339)
      if let database {
        writer.name("database")
        writer.beginObject()
        writer.member("status", database.rawValue)
        writer.name("readyState")
        writer.number(Int64(database.readyState))
        writer.endObject()
      }
      if let services {
        writer.name("services")
        writer.beginObject()
        for (name, state) in services.sorted(by: { $0.key < $1.key }) { writer.member(name, state) }
        writer.endObject()
      }
    }
  }

  private static func json(_ status: Int, _ body: (inout JSONWriter) -> Void) -> HTTPResponse {
    var writer = JSONWriter()
    writer.beginObject()
    body(&writer)
    writer.endObject()
    return HTTPResponse(
      status: status, headers: ["content-type": "application/json", "cache-control": "no-store"], body: writer.bytes)
  }

  /// The caller's own correlation id if it is fit to be repeated, else a new one.
  static func requestID(_ head: HTTPRequestHead?) -> String {
    let given = head?.headers["x-request-id"] ?? ""
    let isFit = (1...128).contains(given.utf8.count) && given.utf8.allSatisfy { (0x21...0x7E).contains($0) }
    return isFit ? given : String(UInt64.random(in: .min ... .max), radix: 16)
  }

  /// The one shape of every refusal (DOMAIN 0.2).
  static func problem(_ status: Int, _ code: ErrorCode, _ detail: String, _ requestID: String) -> HTTPResponse {
    var response = json(status) { writer in
      writer.member("type", "/problems/\(code.rawValue)")
      writer.member("title", code.title)
      writer.name("status")
      writer.number(Int64(status))
      writer.member("detail", detail)
      writer.member("code", code.rawValue)
      writer.member("requestId", requestID)
    }
    response.headers["content-type"] = "application/problem+json"
    response.headers["x-request-id"] = requestID
    return response
  }
}

extension JSONWriter {
  fileprivate mutating func member(_ name: String, _ text: String) {
    self.name(name)
    string(text)
  }
}

/// The public HTTP port: the health routes, then the service's own handler.
struct PublicRoutesHandler: HTTPHandler {
  let admin: AdminRoutes
  let own: any HTTPHandler

  func bodyBytesMax(for head: HTTPRequestHead) -> Int {
    AdminRoutes.publicPaths.contains(head.path) ? admin.bodyBytesMax(for: head) : own.bodyBytesMax(for: head)
  }

  func respond(to request: HTTPRequest) async -> HTTPResponse {
    guard AdminRoutes.publicPaths.contains(request.head.path) else { return await own.respond(to: request) }
    var response = await admin.respond(to: request)
    // Every answer of this port carries a correlation id; a refusal has named its own already.
    if response.headers["x-request-id"] == nil {
      response.headers["x-request-id"] = AdminRoutes.requestID(request.head)
    }
    return response
  }

  func response(to refusal: HTTPRefusal, head: HTTPRequestHead?) -> HTTPResponse {
    own.response(to: refusal, head: head)
  }
}
