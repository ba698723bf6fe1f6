import HTTP
import Kernel
import Messages
import Testing

@testable import ServiceRuntime

@Suite("Health routes on the public port")
struct AdminRoutesTests {
  private struct Nobody: HTTPHandler {
    func respond(to request: HTTPRequest) async -> HTTPResponse { HTTPResponse(status: 404) }
  }

  private struct Now: WallClock {
    func now() -> Timestamp { Timestamp(milliseconds: 0) }
  }

  private let routes = PublicRoutesHandler(
    admin: AdminRoutes(health: HealthState(database: nil, dependencies: nil), clock: Now(), metrics: { "" }),
    own: Nobody())

  @Test("another method is refused as a problem that names the request", arguments: ["/live", "/ready", "/health"])
  func refusal(path: String) async throws {
    let head = HTTPRequestHead(method: "POST", path: path, headers: ["x-request-id": "abc"])
    let response = await routes.respond(to: HTTPRequest(head: head))
    #expect(response.status == 405)
    #expect(response.headers["allow"] == "GET, HEAD")
    #expect(response.headers["content-type"] == "application/problem+json")
    #expect(response.headers.all("x-request-id") == ["abc"])
    let problem = try JSONValue(parsing: response.body)
    #expect(problem["title"] == .string("Method not allowed"))
    #expect(problem["code"] == .string("METHOD_NOT_ALLOWED"))
    #expect(problem["requestId"] == .string("abc"))
  }

  @Test("without an id of the caller, or with one that is unfit, there is a new one", arguments: [nil, "a b"])
  func newID(given: String?) async throws {
    var headers = HTTPFields()
    if let given { headers.append("x-request-id", given) }
    for method in ["GET", "POST"] {
      let head = HTTPRequestHead(method: method, path: "/live", headers: headers)
      let id = await routes.respond(to: HTTPRequest(head: head)).headers["x-request-id"]
      #expect(id != given && id?.isEmpty == false)
    }
  }
}
