import HTTP
import HTTP2
import Logging
import NIOCore
import NIOPosix
import Testing
import Transport

@Suite("HTTP/2 on the same port", .timeLimit(.minutes(1)))
struct HTTP2Tests {
  @Test(
    "requests are answered, and refused by the same limits",
    arguments: [
      ("GET", "/a?b=c", "", nil, 200, "GET /a b=c "),
      ("POST", "/limit", "0123456789", nil, 200, "POST /limit - 0123456789"),
      ("POST", "/limit", "0123456789a", nil, 413, "{}"), ("POST", "/limit", "0123456789a", "11", 413, "{}"),
      ("HEAD", "/a", "", nil, 200, ""), ("OPTIONS", "*", "", nil, 200, "OPTIONS * - "),
    ] as [(String, String, String, String?, Int, String)])
  func requests(
    method: String, path: String, body: String, length: String?, status: Int, answer: String
  ) async throws {
    try await withServer { port, _ in
      let client = try await HTTP2Client(port: port)
      var headers = [(":method", method), (":scheme", "http"), (":authority", "x"), (":path", path)]
      if let length { headers.append(("content-length", length)) }
      let response = try await client.exchange(headers, Array(body.utf8))
      #expect(response.status == status && response.body == answer)
      #expect(response.headers.contains("date"))
      await client.close()
    }
  }

  @Test("a drain ends the connection")
  func drain() async throws {
    try await withServer { port, server in
      let client = try await HTTP2Client(port: port)
      let headers = [(":method", "GET"), (":scheme", "http"), (":authority", "x"), (":path", "/a")]
      #expect(try await client.exchange(headers, []).status == 200)
      await server.shutdownGracefully(within: .seconds(20))
      await client.closed.wait()
    }
  }

  @Test("a body that does not end in time is refused, and its stream is ended")
  func slowBody() async throws {
    try await withServer({ $0.bodyTimeout = .milliseconds(1) }) { port, _ in
      let client = try await HTTP2Client(port: port)
      let response = try await client.exchange(Self.post, Array("abc".utf8), isEnd: false)
      #expect(response.status == 408 && response.body == "{}")
      #expect(response.closure == .reset(.noError))
      await client.close()
    }
  }

  @Test("the bodies of a connection have a limit together, and what is answered counts no more")
  func budget() async throws {
    try await withServer({ $0.connectionBodyBytesMax = 10 }) { port, _ in
      let client = try await HTTP2Client(port: port)
      for (size, status) in [(10, 200), (10, 200), (11, 503), (10, 200)] {
        let body = [UInt8](repeating: 0x61, count: size)
        let response = try await client.exchange(Self.post, body, isEnd: status == 200)
        #expect(response.status == status)
        if status != 200 { #expect(response.closure == .reset(.noError)) }
      }
      await client.close()
    }
  }

  @Test("an address has so many connections and no more, until one has closed", arguments: [false, true])
  func connections(isPerAddress: Bool) async throws {
    try await withServer({
      if isPerAddress { $0.connectionsPerAddressMax = 1 } else { $0.connectionsMax = 1 }
    }) { port, _ in
      let first = try await HTTP2Client(port: port)
      let second = try await HTTP2Client(port: port)
      await second.closed.wait()
      #expect(try await first.exchange(Self.post, Array("abc".utf8)).status == 200)
      await first.close()
    }
  }

  private static let post = [(":method", "POST"), (":scheme", "http"), (":authority", "x"), (":path", "/a")]

  private func withServer(
    _ configure: (inout HTTPServerConfiguration) -> Void = { _ in },
    _ body: (Int, HTTPServer) async throws -> Void
  ) async throws {
    var configuration = HTTPServerConfiguration(host: "127.0.0.1", port: 0)
    configure(&configuration)
    let server = HTTPServer(
      configuration: configuration, handler: HTTPServerTests.Echo(),
      logger: Logger(label: "test"))
    let (_, port) = try await server.start()
    try await body(port, server)
    await server.shutdownGracefully(within: .zero)
  }
}

/// One connection over the project's own client side.
private final class HTTP2Client: ConnectionOwner, @unchecked Sendable {  // Touched on its connection's loop only.
  struct Response: Sendable {
    var status = 0
    var headers: [String] = []
    var body = ""
    var closure = StreamClosure.finished
  }

  let closed = Flag()
  private let ready = Flag()
  private let connection: HTTP2Connection

  init(port: Int) async throws {
    let loop = MultiThreadedEventLoopGroup.singleton.next()
    let connecting = HTTP2Connector.connect(
      host: "127.0.0.1", port: port, on: loop, configuration: ConnectionConfiguration(), timeout: .seconds(5))
    connection = try await connecting.get()
    loop.execute { self.connection.belong(to: self) }
    await ready.wait()
  }

  func settingsChanged(_ connection: HTTP2Connection) { ready.raise() }
  func streamClosed(_ connection: HTTP2Connection) {}
  func goingAway(_ connection: HTTP2Connection) {}
  func closed(_ connection: HTTP2Connection) {
    closed.raise()
    ready.raise()
  }

  func close() async {
    connection.executor.eventLoop.execute { self.connection.close() }
    await closed.wait()
  }

  /// Without `isEnd` the request stays open until the server ends it.
  func exchange(_ headers: [(String, String)], _ body: [UInt8], isEnd: Bool = true) async throws -> Response {
    try await withCheckedThrowingContinuation { continuation in
      connection.executor.eventLoop.execute {
        do {
          let collector = Collector(continuation)
          let stream = try self.connection.open(
            HeaderList(headers), body: isEnd ? body : nil, handler: collector)
          collector.stream = stream
          if !isEnd { stream.send(body) }
        } catch {
          continuation.resume(throwing: error)
        }
      }
    }
  }

  private final class Collector: StreamHandler {
    var stream: HTTP2Stream?
    private var response = Response()
    private let continuation: CheckedContinuation<Response, any Error>

    init(_ continuation: CheckedContinuation<Response, any Error>) {
      self.continuation = continuation
    }

    func received(headers: HeaderList, isEnd: Bool) {
      response.status = headers.first(":status").flatMap { Int($0) } ?? 0
      response.headers = headers.map { headers.text($0.name) }
    }

    func receivedOversizedHeaders(isEnd: Bool) {}

    func received(data bytes: RawSpan, isEnd: Bool) {
      response.body += bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
      stream?.consumed(bytes.byteCount)
    }

    func received(trailers: HeaderList) {}

    func closed(_ reason: StreamClosure) {
      response.closure = reason
      continuation.resume(returning: response)
    }
  }
}
