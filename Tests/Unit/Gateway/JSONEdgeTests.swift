import HTTP
import Kernel
import Messages
import RPC
import Testing

@testable import GatewayAPI

private let login = "/mobo.identity.v1.IdentityService/Login"
private let deposit = "/mobo.wallet.v1.WalletService/Deposit"
private let getWallet = "/mobo.wallet.v1.WalletService/GetWallet"
private let depositBody = #"{"ownerUserId":"aaaaaaaaaaaaaaaaaaaaaaaa","amountPaise":"100","ref":"R-1"}"#

@Suite("JSON routes")
struct JSONEdgeTests {
  @Test("JSON goes in as protobuf and protobuf comes out as JSON with its zero values")
  func transcoding() async throws {
    let harness = EdgeHarness { _, _ in
      try WalletV1.GetWalletResponse(wallet: WalletV1.Wallet(id: "w", availablePaise: 42)).serialized()
    }
    let response = await harness.post(getWallet, #"{"ownerUserId":"aaaaaaaaaaaaaaaaaaaaaaaa"}"#)
    #expect(response.status == 200)
    #expect(response.headers["content-type"] == "application/json")
    #expect(response.json?["wallet"]?["availablePaise"] == .string("42"))
    #expect(response.json?["wallet"]?["pendingPaise"] == .string("0"))
    let request = try WalletV1.GetWalletRequest(serialized: #require(harness.backend.calls.first).message)
    #expect(request.ownerUserId == "aaaaaaaaaaaaaaaaaaaaaaaa")
  }

  @Test("requests beyond what may run are refused with a pause, and others are answered when there is room again")
  func admission() async throws {
    let (mayAnswer, hasCome) = (AsyncStream<Void>.makeStream(), AsyncStream<Void>.makeStream())
    let harness = EdgeHarness(callsMax: 1) { _, _ in
      hasCome.continuation.yield()
      for await _ in mayAnswer.stream { break }
      return []
    }
    async let first = harness.post(getWallet)
    for await _ in hasCome.stream { break }
    let refused = await harness.post(getWallet)
    #expect(refused.status == 503)
    #expect(refused.code == "SERVICE_UNAVAILABLE")
    #expect(refused.headers["retry-after"] != nil)
    #expect(harness.backend.calls.count == 1)
    mayAnswer.continuation.finish()
    #expect(await first.status == 200)
    #expect(await harness.post(getWallet).status == 200)
    #expect(harness.admission.readings.allSatisfy { $0.running == 0 })
  }

  @Test("an empty body counts as an empty object, with a content type or without")
  func emptyBody() async {
    let harness = EdgeHarness()
    #expect(await harness.post(getWallet).status == 200)
    #expect(await harness.post(getWallet, headers: []).status == 200)
  }

  @Test("the token, the trace and the client travel on; the token unchanged")
  func metadata() async throws {
    let harness = EdgeHarness()
    _ = await harness.post(
      getWallet,
      headers: [
        "Authorization": "Bearer a.b.c", "traceparent": "00-1-2-01", "user-agent": "tests/1", "x-request-id": "abc",
      ])
    let metadata = try #require(harness.backend.calls.first).metadata
    #expect(metadata["authorization"] == "Bearer a.b.c")
    #expect(metadata["traceparent"] == "00-1-2-01")
    #expect(metadata["x-request-id"] == "abc")
    #expect(metadata["mobo-client-ip"] == "192.0.2.7")
    #expect(metadata["mobo-client-agent"] == "tests/1")
    #expect(harness.backend.calls.first?.hasDeadline == true)
  }

  @Test(
    "a request id is echoed if it is printable and at most 128 characters, else replaced",
    arguments: [
      ("abc-1", true), (String(repeating: "x", count: 128), true), (String(repeating: "x", count: 129), false),
      ("has space", false), ("bad\u{7}", false), ("", false),
    ])
  func requestID(given: String, isEchoed: Bool) async {
    let response = await EdgeHarness().post(getWallet, headers: ["x-request-id": given])
    let answered = response.headers["x-request-id"]
    #expect((answered == given) == isEchoed)
    #expect(answered?.isEmpty == false)
  }

  @Test("every answer carries the security headers and a request id")
  func headers() async {
    let harness = EdgeHarness()
    for response in [await harness.post(getWallet), await harness.post("/nowhere")] {
      #expect(response.headers["x-content-type-options"] == "nosniff")
      #expect(response.headers["cache-control"] == "no-store")
      #expect(response.headers["x-request-id"]?.utf8.count == 36)
    }
  }

  @Test(
    "what nobody serves is not found, internal services included",
    arguments: [
      "/", "/nowhere", "/mobo.identity.v1.IdentityService/Nothing", "/mobo.nothing.v1.Service/Login",
      "/mobo.identity.v1.IdentityInternalService/GetPrincipal", "/mobo.wallet.v1.WalletInternalService/EnsureWallet",
      "/mobo.identity.v1.IdentityService/Login/", "//mobo.identity.v1.IdentityService/Login", "*",
    ])
  func notFound(path: String) async {
    let harness = EdgeHarness()
    let response = await harness.post(path)
    #expect(response.status == 404)
    #expect(response.code == "ROUTE_NOT_FOUND")
    #expect(harness.backend.calls.isEmpty)
  }

  @Test(
    "a known path takes its own method only and says which", arguments: ["GET", "PUT", "DELETE", "HEAD", "OPTIONS"])
  func methodNotAllowed(method: String) async {
    let response = await EdgeHarness().send(method, login)
    #expect(response.status == 405)
    #expect(response.code == "METHOD_NOT_ALLOWED")
    #expect(response.headers["allow"] == "POST")
  }

  @Test(
    "only plain JSON is taken",
    arguments: [
      ("application/json", 200), ("application/json; charset=utf-8", 200), ("Application/JSON;charset=\"UTF-8\"", 200),
      ("application/json; charset=latin1", 415), ("text/plain", 415), ("application/x-www-form-urlencoded", 415),
      ("application/jsonp", 415), ("", 415),
    ])
  func mediaTypes(type: String, status: Int) async {
    let response = await EdgeHarness().post(getWallet, "{}", headers: ["content-type": type])
    #expect(response.status == status)
    #expect((response.code == "UNSUPPORTED_MEDIA_TYPE") == (status == 415))
  }

  @Test("a body without a type and an encoded body are refused")
  func untyped() async {
    #expect(await EdgeHarness().post(getWallet, "{}", headers: []).status == 415)
    let encoded: HTTPFields = ["content-type": "application/json", "content-encoding": "gzip"]
    #expect(await EdgeHarness().post(getWallet, "{}", headers: encoded).status == 415)
  }

  @Test(
    "what is no request is refused with a path, before any service is asked",
    arguments: ["{", "[]", #"{"nope":1}"#, #"{"ref":1}"#, #"{"ref":"a","ref":"b"}"#, #"{"amountPaise":"1.5"}"#, "{}x"])
  func malformed(body: String) async {
    let harness = EdgeHarness()
    let response = await harness.post(deposit, body)
    #expect(response.status == 400)
    #expect(response.code == "VALIDATION_FAILED")
    #expect(harness.backend.calls.isEmpty)
  }

  @Test("a body may have a mebibyte, unless the method grants more; where nobody is, nothing is read")
  func bodyLimits() {
    let edge = EdgeHarness().edge
    #expect(edge.bodyBytesMax(for: HTTPRequestHead(method: "POST", path: login)) == 1 << 20)
    #expect(edge.bodyBytesMax(for: HTTPRequestHead(method: "POST", path: getWallet)) == 1 << 20)
    #expect(edge.bodyBytesMax(for: HTTPRequestHead(method: "POST", path: "/nowhere")) == 0)
    #expect(edge.bodyBytesMax(for: HTTPRequestHead(method: "GET", path: login)) == 0)
  }

  @Test(
    "refusals of the server are problems like all others",
    arguments: [
      (HTTPRefusal.bodyTooLarge(limit: 5), 413, "REQUEST_TOO_LARGE"), (.headersTooLarge, 431, "REQUEST_TOO_LARGE"),
      (.malformed("x"), 400, "VALIDATION_FAILED"), (.draining, 503, "SERVICE_UNAVAILABLE"),
      (.busy, 503, "SERVICE_UNAVAILABLE"), (.timedOut, 408, "DEADLINE_EXCEEDED"),
    ])
  func serverRefusals(refusal: HTTPRefusal, status: Int, code: String) {
    let head = HTTPRequestHead(method: "POST", path: login, headers: ["x-request-id": "abc"])
    let response = EdgeHarness().edge.response(to: refusal, head: head)
    #expect(response.status == status)
    #expect(response.code == code)
    #expect(response.headers["x-request-id"] == "abc")
    #expect(response.json?["status"] == .number("\(status)"))
  }

  @Test("a body where nobody is, is answered with that")
  func bodyNowhere() {
    let edge = EdgeHarness().edge
    let nowhere = edge.response(
      to: .bodyTooLarge(limit: 0), head: HTTPRequestHead(method: "POST", path: "/nowhere"))
    #expect(nowhere.status == 404)
    let wrongMethod = edge.response(to: .bodyTooLarge(limit: 0), head: HTTPRequestHead(method: "PUT", path: login))
    #expect(wrongMethod.status == 405)
    #expect(wrongMethod.headers["allow"] == "POST")
  }

  @Test(
    "failures of services pass with their code and status; time-outs get the gateway's name",
    arguments: [
      (Failure(.invalidCredentials, "no"), 401, "INVALID_CREDENTIALS"),
      (Failure(.serviceUnavailable, "down"), 503, "SERVICE_UNAVAILABLE"),
      (Failure(.deadlineExceeded, "late"), 504, "GATEWAY_TIMEOUT"),
      (Failure(.invalidOrderProof, "bad"), 422, "INVALID_ORDER_PROOF"),
      (Failure(.accountLocked, "locked", retryAfter: .seconds(900)), 429, "ACCOUNT_LOCKED"),
    ])
  func failures(failure: Failure, status: Int, code: String) async {
    let response = await EdgeHarness { _, _ in throw failure }.post(login, #"{"password":"x"}"#)
    #expect(response.status == status)
    #expect(response.code == code)
    #expect(response.headers["retry-after"] == failure.retryAfter.map { "\($0.components.seconds)" })
  }

  @Test("what nobody foresaw is masked")
  func masked() async {
    struct Secret: Error { let word = "mongodb://user:pass@host" }
    let response = await EdgeHarness { _, _ in throw Secret() }.post(login, #"{"password":"x"}"#)
    #expect(response.status == 500)
    #expect(response.code == "INTERNAL_ERROR")
    #expect(!String(decoding: response.body, as: UTF8.self).contains("mongodb"))
  }
}

@Suite("Idempotency-Key")
struct IdempotencyKeyTests {
  private func requestID(_ body: String, key: String?) async throws -> String {
    let harness = EdgeHarness()
    var headers: HTTPFields = ["content-type": "application/json"]
    if let key { headers.append("idempotency-key", key) }
    let response = await harness.post(deposit, body, headers: headers)
    #expect(response.status == 200)
    return try WalletV1.DepositRequest(serialized: #require(harness.backend.calls.first).message).requestId
  }

  @Test("the header becomes the request id")
  func header() async throws {
    #expect(try await requestID(depositBody, key: "key_1-A") == "key_1-A")
  }

  @Test("the body's own request id stays, also beside an equal header")
  func body() async throws {
    let body = depositBody.replacing("{", with: #"{"requestId":"own","#, maxReplacements: 1)
    #expect(try await requestID(body, key: nil) == "own")
    #expect(try await requestID(body, key: "own") == "own")
  }

  @Test("without either there is a new one each time")
  func generated() async throws {
    let first = try await requestID(depositBody, key: nil)
    let second = try await requestID(depositBody, key: nil)
    #expect(first.utf8.count == 36)
    #expect(first != second)
  }

  @Test("two different ids are refused")
  func different() async {
    let harness = EdgeHarness()
    let body = depositBody.replacing("{", with: #"{"requestId":"own","#, maxReplacements: 1)
    let response = await harness.post(
      deposit, body, headers: ["content-type": "application/json", "idempotency-key": "other"])
    #expect(response.code == "VALIDATION_FAILED")
    #expect(harness.backend.calls.isEmpty)
  }

  @Test(
    "a malformed key is refused, on every route",
    arguments: ["", "a b", "ä", String(repeating: "k", count: 65), "a/b"], [deposit, getWallet])
  func malformed(key: String, path: String) async {
    let headers: HTTPFields = ["content-type": "application/json", "idempotency-key": key]
    let response = await EdgeHarness().post(path, path == deposit ? depositBody : "", headers: headers)
    #expect(response.status == 400)
    #expect(response.code == "VALIDATION_FAILED")
  }

  @Test("a key of 64 characters is taken; two keys are not")
  func limits() async throws {
    let longest = String(repeating: "k", count: 64)
    #expect(try await requestID(depositBody, key: longest) == longest)
    var headers: HTTPFields = ["content-type": "application/json", "idempotency-key": "a"]
    headers.append("idempotency-key", "b")
    #expect(await EdgeHarness().post(deposit, depositBody, headers: headers).status == 400)
  }
}
