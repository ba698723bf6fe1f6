import Foundation
import HTTP
import Kernel
import Logging
import RPC
import Testing

@testable import Access
@testable import GatewayAPI

private let login = "/mobo.identity.v1.IdentityService/Login"
private let deposit = "/mobo.wallet.v1.WalletService/Deposit"
private let createOrder = "/mobo.order.v1.OrderService/CreateOrder"

/// Goal: authentication, status and role win over what the edge itself refuses. Method: the real guards with a key
/// pair and a person inside the test.
@Suite("Guards before fields")
struct EdgeAccessTests {
  private struct Keys: SigningKeySource {
    let ring: SigningKeyRing
    func signingKeys() async throws -> [PublicSigningKey] { ring.publicKeys }
  }

  private struct OnePerson: PrincipalSource {
    let person: Principal
    func principal(_ id: UserID, fresh: Bool) async throws -> Principal? { id == person.userID ? person : nil }
  }

  private struct Now: WallClock {
    func now() -> Timestamp { Timestamp(milliseconds: 1_750_000_000_000) }
  }

  private let ring: SigningKeyRing
  private let userID = UserID(known: "65f0c0ffee65f0c0ffee65f0")

  init() throws {
    ring = SigningKeyRing(current: try .init(), others: [])
  }

  private func harness(
    _ role: Role = .admin, status: UserStatus = .active, upstreamActive: Bool = true, messageBytesMax: Int = 12 << 20
  ) -> EdgeHarness {
    let person = Principal(
      userID: userID, name: "A", mobile: "9000000004", roles: [role], status: status, upstreamActive: upstreamActive)
    let verifier = TokenVerifier(
      source: Keys(ring: ring), clock: Now(), refresh: .seconds(300),
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    return EdgeHarness(
      access: AccessInterceptor(verifier: verifier, principals: OnePerson(person: person), serviceKeys: .none),
      messageBytesMax: messageBytesMax)
  }

  private func headers(_ authorization: String?, key: String? = nil) -> HTTPFields {
    var headers: HTTPFields = ["content-type": "application/json"]
    if let authorization { headers.append("authorization", authorization) }
    if let key { headers.append("idempotency-key", key) }
    return headers
  }

  private func bearer() async throws -> String {
    let token = try await TokenIssuer(ring: ring, ttl: .seconds(900))
      .issue(subject: userID, sessionID: "s1", roles: [.admin], now: Now().now())
    return "Bearer \(token.text)"
  }

  @Test(
    "without a good token that is the answer, whatever the fields are",
    arguments: [
      (nil, 401, "UNAUTHENTICATED"), ("Basic x", 401, "UNAUTHENTICATED"), ("Bearer a.b.c", 401, "INVALID_TOKEN"),
      ("Bearer " + String(repeating: "a", count: 4_097), 401, "INVALID_TOKEN"),
    ] as [(String?, Int, String)], [#"{"amountPaise":"x"}"#, "{", "{}"])
  func noToken(_ token: (String?, Int, String), body: String) async {
    for key in [nil, "a b"] {
      let harness = harness()
      let response = await harness.post(deposit, body, headers: headers(token.0, key: key))
      #expect(response.status == token.1 && response.code == token.2)
      #expect(harness.backend.calls.isEmpty)
    }
  }

  @Test(
    "status, lineage and role win over bad fields; only who passes them learns of the fields",
    arguments: [
      (.admin, .active, true, 400, "VALIDATION_FAILED"), (.shopper, .active, true, 403, "FORBIDDEN"),
      (.admin, .suspended, true, 403, "USER_NOT_ACTIVE"), (.shopper, .active, false, 403, "UPSTREAM_SUSPENDED"),
    ] as [(Role, UserStatus, Bool, Int, String)])
  func guards(role: Role, status: UserStatus, upstreamActive: Bool, answer: Int, code: String) async throws {
    let harness = harness(role, status: status, upstreamActive: upstreamActive)
    let token = try await bearer()
    for (body, key) in [(#"{"amountPaise":"x"}"#, nil), ("{}", "a b")] {
      let response = await harness.post(deposit, body, headers: headers(token, key: key))
      #expect(response.status == answer && response.code == code)
    }
    #expect(harness.backend.calls.isEmpty)
  }

  @Test("a good token and good fields reach the service; two tokens do not")
  func passed() async throws {
    let harness = harness()
    let token = try await bearer()
    #expect(await harness.post(deposit, "{}", headers: headers(token)).status == 200)
    #expect(harness.backend.calls.first?.metadata["authorization"] == token)
    var twice = headers(token)
    twice.append("authorization", token)
    #expect(await harness.post(deposit, "{}", headers: twice).code == "INVALID_TOKEN")
  }

  @Test("a public method needs no token, and one that no service would take is not sent on")
  func publicMethod() async {
    let harness = harness()
    let long = "Bearer " + String(repeating: "a", count: 5_000)
    for authorization in [nil, "Bearer a.b.c", long] {
      #expect(await harness.post(login, "{}", headers: headers(authorization)).status == 200)
    }
    #expect(harness.backend.calls.map { $0.metadata["authorization"] } == [nil, "Bearer a.b.c", nil])
  }

  @Test("a message above the limit of the services is too large, and one at the limit is not")
  func messageLimit() async throws {
    let token = try await bearer()
    let body = #"{"ref":"aaaaaaaaaa","requestId":"k"}"#
    var size = 0
    let open = harness()
    _ = await open.post(deposit, body, headers: headers(token))
    size = open.backend.calls.first?.message.count ?? 0
    #expect(size > 10)
    for (limit, status) in [(size, 200), (size - 1, 413)] {
      let response = await harness(messageBytesMax: limit).post(deposit, body, headers: headers(token))
      #expect(response.status == status)
      #expect((response.code == "REQUEST_TOO_LARGE") == (status == 413))
    }
  }

  @Test("a long body is only for those who show a token; others are asked for one")
  func longBody() async throws {
    let edge = harness().edge
    let good = HTTPRequestHead(method: "POST", path: createOrder, headers: headers(try await bearer()))
    #expect(edge.bodyBytesMax(for: good) == 17 << 20)
    #expect(edge.response(to: .bodyTooLarge(limit: 17 << 20), head: good).code == "REQUEST_TOO_LARGE")
    for (authorization, code) in [(nil, "UNAUTHENTICATED"), ("Bearer a.b.c", "INVALID_TOKEN")] {
      let head = HTTPRequestHead(method: "POST", path: createOrder, headers: headers(authorization))
      #expect(edge.bodyBytesMax(for: head) == 1 << 20)
      let response = edge.response(to: .bodyTooLarge(limit: 1 << 20), head: head)
      #expect(response.status == 401 && response.code == code)
    }
  }

  @Test("a cancelled call is the service's fault while the client waits", arguments: [true, false])
  func cancelled(ofTransport: Bool) async {
    let harness = EdgeHarness { _, _ in
      if ofTransport { throw RPCError(.cancelled, "stopped") }
      throw CancellationError()
    }
    let response = await harness.post(login, "{}")
    #expect(response.status == 503 && response.code == "SERVICE_UNAVAILABLE")
    let gone = Task {
      withUnsafeCurrentTask { $0?.cancel() }
      return await harness.post(login, "{}").status
    }
    #expect(await gone.value == 499)
  }
}
