import NIOCore

@testable import HTTP2
@testable import RPC
@testable import Transport

/// One stream of a `RawClient` that the test feeds and reads piece by piece.
final class RawStream: StreamHandler, @unchecked Sendable {  // Touched on the connection's loop only.
  private var answer = RawAnswer()
  private var isHeadThere = false
  private var isOver = false
  private var isDrained = false
  private var consumes: Bool
  private var heldBytes = 0
  private var stream: HTTP2Stream?
  private var waiters: [(isMet: (RawStream) -> Bool, continuation: CheckedContinuation<RawAnswer, Never>)] = []
  private let loop: any EventLoop

  private init(_ loop: any EventLoop, consumes: Bool) {
    self.loop = loop
    self.consumes = consumes
  }

  /// Opens a stream and leaves it open. Without `consumes` the server's window shrinks until `consume()`.
  static func open(
    on connection: HTTP2Connection, _ headers: HeaderList, consumes: Bool = true
  ) async throws -> RawStream {
    let loop = connection.executor.eventLoop
    return try await loop.submit {
      let call = RawStream(loop, consumes: consumes)
      call.stream = try connection.open(headers, body: nil, handler: call)
      return call
    }.get()
  }

  func send(_ message: [UInt8], isEnd: Bool = false) {
    sendBytes(Framing.frame(message), isEnd: isEnd)
  }

  func sendBytes(_ bytes: [UInt8], isEnd: Bool = false) {
    loop.execute {
      self.isDrained = false
      self.stream?.send(bytes)
      if isEnd { self.stream?.finish() }
    }
  }

  func finish() {
    loop.execute { self.stream?.finish() }
  }

  func reset(_ code: HTTP2ErrorCode = .cancel) {
    loop.execute { self.stream?.reset(code) }
  }

  /// Gives back what was held, and from here on everything at once.
  func consume() {
    loop.execute {
      self.consumes = true
      self.stream?.consumed(self.heldBytes)
      self.heldBytes = 0
    }
  }

  /// The answer once its head is there.
  func head() async -> RawAnswer { await until { $0.isHeadThere || $0.isOver } }

  /// The answer once so many messages, or parts of the next, are there.
  func messages(_ count: Int) async -> [[UInt8]] {
    await until { $0.isOver || RawStream.messages($0.answer.body).count >= count }.messages
  }

  /// The answer once so many bytes of messages are there.
  func bodyBytes(_ count: Int) async -> RawAnswer { await until { $0.isOver || $0.answer.body.count >= count } }

  /// The whole answer.
  func end() async -> RawAnswer { await until { $0.isOver } }

  /// Returns once everything that was sent is on its way.
  func drain() async { _ = await until { $0.isOver || $0.isDrained } }

  private func until(_ isMet: @escaping @Sendable (RawStream) -> Bool) async -> RawAnswer {
    await withCheckedContinuation { continuation in
      loop.execute {
        self.waiters.append((isMet, continuation))
        self.look()
      }
    }
  }

  private func look() {
    let met = waiters.filter { $0.isMet(self) }
    waiters.removeAll { $0.isMet(self) }
    for waiter in met { waiter.continuation.resume(returning: answer) }
  }

  static func messages(_ body: [UInt8]) -> [[UInt8]] {
    var rest = body[...]
    var messages: [[UInt8]] = []
    while rest.count >= 5 {
      let length = rest.dropFirst().prefix(4).reduce(0) { $0 << 8 | Int($1) }
      guard rest.count >= 5 + length else { break }
      messages.append(Array(rest.dropFirst(5).prefix(length)))
      rest = rest.dropFirst(5 + length)
    }
    return messages
  }

  // MARK: StreamHandler

  func received(headers: HeaderList, isEnd: Bool) {
    answer.head = headers
    isHeadThere = true
    look()
  }

  func receivedOversizedHeaders(isEnd: Bool) {}

  func received(data bytes: RawSpan, isEnd: Bool) {
    bytes.withUnsafeBytes { answer.body.append(contentsOf: $0) }
    if consumes { stream?.consumed(bytes.byteCount) } else { heldBytes += bytes.byteCount }
    look()
  }

  func received(trailers: HeaderList) { answer.trailers = trailers }

  func drained() {
    isDrained = true
    look()
  }

  func closed(_ reason: StreamClosure) {
    answer.closure = reason
    isOver = true
    stream = nil
    look()
  }
}

extension RawAnswer {
  /// The messages of the body, without their prefixes.
  var messages: [[UInt8]] { RawStream.messages(body) }
}

extension RawClient {
  func stream(_ changes: [(String, String)] = [], path: String, consumes: Bool = true) async throws -> RawStream {
    guard let connection else { throw TransportFailure.connectionClosed }
    return try await RawStream.open(on: connection, RawClient.headers(changes, path: path), consumes: consumes)
  }
}

/// A method of each streaming kind, all answered by the same closure.
struct StreamProbe: ServiceBinding {
  typealias Answer =
    @Sendable (MessageStream<[UInt8]>, ResponseWriter<[UInt8]>, CallContext) async throws -> Void

  static let client = "/test.v1.Stream/Client"
  static let server = "/test.v1.Stream/Server"
  static let both = "/test.v1.Stream/Both"

  let answer: Answer
  var serviceName: String { "test.v1.Stream" }
  var methods: [BoundMethod] {
    ([("Client", .clientStreaming), ("Server", .serverStreaming), ("Both", .bidirectional)] as [(String, CallKind)])
      .map { name, kind in
        BoundMethod(
          MethodDescriptor(service: serviceName, name: name, kind: kind, rules: MethodRules(isPublic: true)),
          .streaming(answer))
      }
  }

  /// A server with these methods and a raw client of it.
  static func with(
    limits: (inout RPCServerConfiguration) -> Void = { _ in }, interceptors: [any ServerInterceptor] = [],
    answer: @escaping Answer, _ body: (RawClient) async throws -> Void
  ) async throws {
    var configuration = RPCServerConfiguration(host: "127.0.0.1", port: 0)
    limits(&configuration)
    let echo = ProbeService { bytes, _ in bytes }
    let server = RPCServer(
      configuration, interceptors: interceptors, services: [StreamProbe(answer: answer), echo], logger: quiet)
    let client = try await RawClient.connect(port: try await server.start().port)
    let result: Result<Void, any Error>
    do { result = .success(try await body(client)) } catch { result = .failure(error) }
    client.close()
    await server.shutdownGracefully(within: .zero)
    try result.get()
  }
}
