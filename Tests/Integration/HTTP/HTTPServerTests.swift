import HTTP
import Kernel
import Logging
import Testing
import Transport

@Suite("HTTP/1.1 server on real sockets", .timeLimit(.minutes(1)))
struct HTTPServerTests {
  /// Echoes method, path, query and body; `/limit` takes ten bytes, `/hang` answers when its task is cancelled.
  struct Echo: HTTPHandler {
    let cancelled = Flag()
    let started = Flag()

    func bodyBytesMax(for head: HTTPRequestHead) -> Int { head.path == "/limit" ? 10 : 1_000 }

    func respond(to request: HTTPRequest) async -> HTTPResponse {
      if request.head.path == "/hang" {
        started.raise()
        try? await Task.sleep(for: .seconds(600))
        cancelled.raise()
      }
      let text = "\(request.head.method) \(request.head.path) \(request.head.query ?? "-") "
      return HTTPResponse(status: 200, headers: ["x-own": "1"], body: Array(text.utf8) + request.body)
    }

    func response(to refusal: HTTPRefusal, head: HTTPRequestHead?) -> HTTPResponse {
      HTTPResponse(status: refusal.status, contentType: "application/problem+json", text: "{}")
    }
  }

  func withServer<Result>(
    _ handler: Echo = Echo(), _ body: (Int, HTTPServer) async throws -> Result
  ) async throws -> Result {
    let server = HTTPServer(
      configuration: HTTPServerConfiguration(host: "127.0.0.1", port: 0), handler: handler,
      logger: Logger(label: "test"))
    let (_, port) = try await server.start()
    let result = try await body(port, server)
    await server.shutdownGracefully(within: .zero)
    return result
  }

  @Test("a request is answered and the connection serves the next one")
  func keepAlive() async throws {
    try await withServer { port, _ in
      let client = try RawClient(port: port)
      client.send("GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n")
      let first = await client.response()
      #expect(first.status == 200 && first.body == "GET /a b=c ")
      #expect(first.headers.contains("x-own: 1") && !first.headers.contains("connection: close"))
      client.send("POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nxyz")
      #expect(await client.response().body == "POST /b - xyz")
    }
  }

  @Test("requests sent ahead are answered in order, also in pieces and chunks")
  func pipelining() async throws {
    try await withServer { port, _ in
      let client = try RawClient(port: port)
      client.send(
        "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nPOST /2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
          + "2\r\nab\r\n1\r\nc\r\n0\r\n\r\nGET /3 HTTP/1.1\r\nHo")
      #expect(await client.response().body == "GET /1 - ")
      #expect(await client.response().body == "POST /2 - abc")
      client.send("st: x\r\n\r\n")
      #expect(await client.response().body == "GET /3 - ")
    }
  }

  @Test("what follows a good request and is no HTTP is refused after the good one's answer")
  func brokenPipeline() async throws {
    try await withServer { port, _ in
      let client = try RawClient(port: port)
      client.send("GET /1 HTTP/1.1\r\nHost: x\r\n\r\n\u{1}\u{2}garbage\r\n\r\n")
      #expect(await client.response().body == "GET /1 - ")
      #expect(await client.response().status == 400)
      #expect(await client.isAtEnd())
    }
  }

  @Test(
    "bodies are taken at the path's limit and refused beyond, by their announcement or by their length",
    arguments: [
      ("Content-Length: 10\r\n\r\n0123456789", 200), ("Content-Length: 11\r\n\r\n", 413),
      ("Content-Length: 99999999999999999999\r\n\r\n", 400),
      ("Transfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n", 200),
      ("Transfer-Encoding: chunked\r\n\r\nb\r\n0123456789a\r\n", 413),
      ("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ])
  func bodyLimit(rest: String, status: Int) async throws {
    try await withServer { port, _ in
      let client = try RawClient(port: port)
      client.send("POST /limit HTTP/1.1\r\nHost: x\r\n" + rest)
      let response = await client.response()
      #expect(response.status == status)
      #expect(response.headers.contains("connection: close") == (status != 200))
      if status == 413 { #expect(response.headers.contains("application/problem+json")) }
    }
  }

  @Test("a client that asks first is told to go on, or that its body is too long before it sends it")
  func expectContinue() async throws {
    try await withServer { port, _ in
      let client = try RawClient(port: port)
      client.send("POST /limit HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
      #expect(await client.response().status == 100)
      client.send("ok")
      #expect(await client.response().body == "POST /limit - ok")
      client.send("POST /limit HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n")
      #expect(await client.response().status == 413)

      let other = try RawClient(port: port)
      other.send("GET / HTTP/1.1\r\nHost: x\r\nExpect: tea\r\n\r\n")
      #expect(await other.response().status == 417)
    }
  }

  @Test(
    "a head that breaks the rules is refused",
    arguments: [
      ("GET / HTTP/1.1\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
      ("GET nowhere HTTP/1.1\r\nHost: x\r\n\r\n", 400), ("GET * HTTP/1.1\r\nHost: x\r\n\r\n", 400),
      ("GET http://x/abs HTTP/1.1\r\nHost: x\r\n\r\n", 200), ("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 200),
      ("DELETE / HTTP/1.1\r\nHost: x\r\n\r\n", 200), ("GET / HTTP/1.0\r\n\r\n", 200), ("nonsense\r\n\r\n", 400),
      ("GET / HTTP/1.1\r\nHost: x\r\nX: \(String(repeating: "a", count: 17_000))\r\n\r\n", 431),
      ("GET / HTTP/1.1\r\nHost: x\r\n\(String(repeating: "a: b\r\n", count: 101))\r\n", 431),
      ("GET / HTTP/1.1\r\nHost: x\r\n\(String(repeating: "a: b\r\n", count: 99))\r\n", 200),
    ])
  func heads(request: String, status: Int) async throws {
    try await withServer { port, _ in
      let client = try RawClient(port: port)
      client.send(request)
      #expect(await client.response().status == status)
    }
  }

  @Test("HEAD gets the length without the body; HTTP/1.0 is closed unless it asks to stay")
  func methods() async throws {
    try await withServer { port, _ in
      let client = try RawClient(port: port)
      client.send("HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n")
      let head = await client.response(hasBody: false)
      #expect(head.status == 200 && head.headers.contains("content-length: 10"))
      client.send("GET /a HTTP/1.0\r\n\r\n")
      #expect(await client.response().status == 200)
      #expect(await client.isAtEnd())
    }
  }

  @Test("a client that goes away cancels its request")
  func cancellation() async throws {
    let handler = Echo()
    try await withServer(handler) { port, _ in
      let client = try RawClient(port: port)
      client.send("GET /hang HTTP/1.1\r\nHost: x\r\n\r\n")
      await handler.started.wait()
      client.close()
      await handler.cancelled.wait()
    }
  }

  @Test("a drain closes idle connections, and open ones when its time is over")
  func drain() async throws {
    let handler = Echo()
    try await withServer(handler) { port, server in
      let idle = try RawClient(port: port)
      idle.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
      #expect(await idle.response().status == 200)
      let busy = try RawClient(port: port)
      busy.send("GET /hang HTTP/1.1\r\nHost: x\r\n\r\n")
      await handler.started.wait()
      await server.shutdownGracefully(within: .milliseconds(1))
      #expect(await idle.isAtEnd())
      await handler.cancelled.wait()
      #expect(throws: RawClient.ConnectionRefused.self) { try RawClient(port: port) }
    }
  }

  @Test("a taken port is named")
  func takenPort() async throws {
    try await withServer { port, _ in
      let second = HTTPServer(
        configuration: HTTPServerConfiguration(host: "127.0.0.1", port: port), handler: Echo(),
        logger: Logger(label: "test"))
      let failure = await #expect(throws: TransportFailure.self) { try await second.start() }
      #expect(failure?.description.contains("\(port)") == true)
    }
  }
}
