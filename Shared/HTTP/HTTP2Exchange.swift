import HTTP2
import NIOCore
import Transport

/// Makes an exchange for every stream of one HTTP/2 connection.
final class HTTP2Exchanges: StreamAcceptor {
  private let handler: any HTTPHandler
  private let bodyTimeout: Duration
  private let bodies: BodyBudget

  init(handler: any HTTPHandler, configuration: HTTPServerConfiguration) {
    self.handler = handler
    bodyTimeout = configuration.bodyTimeout
    bodies = BodyBudget(bytesMax: configuration.connectionBodyBytesMax)
  }

  func accept(_ stream: HTTP2Stream) -> any StreamHandler {
    HTTP2Exchange(stream, handler, bodyTimeout: bodyTimeout, bodies)
  }
}

/// The bytes of all bodies that one connection keeps until they are whole and answered.
final class BodyBudget {
  private let bytesMax: Int
  private var held = 0

  init(bytesMax: Int) {
    self.bytesMax = bytesMax
  }

  /// False when the connection would keep too much.
  func take(_ count: Int) -> Bool {
    guard count <= bytesMax - held else { return false }
    held += count
    return true
  }

  func giveBack(_ count: Int) { held -= count }
}

/// One request and its response on an HTTP/2 stream, answered by the same handler as HTTP/1.1.
final class HTTP2Exchange: StreamHandler, @unchecked Sendable {  // Touched on its connection's event loop only.
  private let stream: HTTP2Stream
  private let handler: any HTTPHandler
  private var head: HTTPRequestHead?
  private let bodyTimeout: Duration
  private let bodies: BodyBudget
  private var body: [UInt8] = []
  private var bodyBytesMax = 0
  /// What of the connection's budget this exchange has.
  private var taken = 0
  private var timer: Scheduled<Void>?
  private var isAnswered = false
  private var task: Task<Void, Never>?

  init(_ stream: HTTP2Stream, _ handler: any HTTPHandler, bodyTimeout: Duration, _ bodies: BodyBudget) {
    self.stream = stream
    self.handler = handler
    self.bodyTimeout = bodyTimeout
    self.bodies = bodies
  }

  func received(headers: HeaderList, isEnd: Bool) {
    guard let head = Self.head(headers, peer: stream.peer) else {
      return refuse(.malformed("the request target is no path"))
    }
    self.head = head
    bodyBytesMax = handler.bodyBytesMax(for: head)
    if let length = head.headers["content-length"].flatMap(Int.init), length > bodyBytesMax {
      return refuse(.bodyTooLarge(limit: bodyBytesMax))
    }
    if isEnd { return answer() }
    timer = stream.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(bodyTimeout)) { [weak self] in
      self?.refuse(.timedOut)
    }
  }

  func receivedOversizedHeaders(isEnd: Bool) {
    refuse(.headersTooLarge)
  }

  func received(data bytes: RawSpan, isEnd: Bool) {
    stream.consumed(bytes.byteCount)
    guard !isAnswered, task == nil else { return }
    guard bytes.byteCount <= bodyBytesMax - body.count else { return refuse(.bodyTooLarge(limit: bodyBytesMax)) }
    guard bodies.take(bytes.byteCount) else { return refuse(.busy) }
    taken += bytes.byteCount
    bytes.withUnsafeBytes { body.append(contentsOf: $0) }
    if isEnd { answer() }
  }

  func received(trailers: HeaderList) {
    answer()
  }

  func closed(_ reason: StreamClosure) {
    timer?.cancel()
    task?.cancel()
    // A running answer still holds its body and gives it back itself.
    if task == nil { releaseBody() }
  }

  private func releaseBody() {
    body = []
    bodies.giveBack(taken)
    taken = 0
  }

  private func answer() {
    guard let head, task == nil, !isAnswered else { return }
    timer?.cancel()
    let request = HTTPRequest(head: head, body: body)
    body = []
    stream.workBegan()
    task = Task(executorPreference: stream.executor) { [self] in
      let response = await handler.respond(to: request)
      send(response, isHead: request.head.method == "HEAD")
      releaseBody()
      stream.workEnded()
    }
  }

  /// The rest of the body is not wanted: the stream ends without error after the answer (RFC 9113, 8.1), so that it
  /// cannot stay open.
  private func refuse(_ refusal: HTTPRefusal) {
    guard !isAnswered, task == nil else { return }
    timer?.cancel()
    send(handler.response(to: refusal, head: head), isHead: head?.method == "HEAD")
    releaseBody()
    stream.stopPeer()
  }

  private func send(_ response: HTTPResponse, isHead: Bool) {
    guard !isAnswered else { return }
    isAnswered = true
    var headers = HeaderList()
    headers.append(":status", String(response.status))
    for field in response.headers where !HTTP1Connection.ownHeaders.contains(field.name) {
      headers.append(field.name, field.value)
    }
    let mayHaveBody = response.status != 204 && response.status != 304
    if mayHaveBody { headers.append("content-length", String(response.body.count)) }
    headers.append("date", HTTPDate.now())
    let hasBody = mayHaveBody && !isHead && !response.body.isEmpty
    stream.send(headers: headers, isEnd: !hasBody)
    guard hasBody else { return }
    stream.send(response.body)
    stream.finish()
  }

  private static func head(_ list: HeaderList, peer: String) -> HTTPRequestHead? {
    var fields = HTTPFields()
    var method = ""
    var target = ""
    for field in list {
      let name = list.text(field.name)
      let value = list.text(field.value)
      switch name {
      case ":method": method = value
      case ":path": target = value
      case ":authority": fields.append("host", value)
      default: if !name.hasPrefix(":") { fields.append(name, value) }
      }
    }
    guard let (path, query) = RequestTarget.split(target, isOptions: method == "OPTIONS") else { return nil }
    return HTTPRequestHead(method: method, path: path, query: query, headers: fields, peer: peer)
  }
}
