import HTTP2
import Transport

/// Makes an exchange for every stream of one HTTP/2 connection.
final class HTTP2Exchanges: StreamAcceptor {
  private let handler: any HTTPHandler

  init(handler: any HTTPHandler) {
    self.handler = handler
  }

  func accept(_ stream: HTTP2Stream) -> any StreamHandler {
    HTTP2Exchange(stream, handler)
  }
}

/// One request and its response on an HTTP/2 stream, answered by the same handler as HTTP/1.1.
final class HTTP2Exchange: StreamHandler, @unchecked Sendable {  // Touched on its connection's event loop only.
  private let stream: HTTP2Stream
  private let handler: any HTTPHandler
  private var head: HTTPRequestHead?
  private var body: [UInt8] = []
  private var bodyBytesMax = 0
  private var isAnswered = false
  private var task: Task<Void, Never>?

  init(_ stream: HTTP2Stream, _ handler: any HTTPHandler) {
    self.stream = stream
    self.handler = handler
  }

  func received(headers: HeaderList, isEnd: Bool) {
    guard let head = Self.head(headers, peer: stream.peer) else {
      return send(handler.response(to: .malformed("the request target is no path"), head: nil), isHead: false)
    }
    self.head = head
    bodyBytesMax = handler.bodyBytesMax(for: head)
    if let length = head.headers["content-length"].flatMap(Int.init), length > bodyBytesMax {
      return refuse(.bodyTooLarge(limit: bodyBytesMax))
    }
    if isEnd { answer() }
  }

  func receivedOversizedHeaders(isEnd: Bool) {
    refuse(.headersTooLarge)
  }

  func received(data bytes: RawSpan, isEnd: Bool) {
    stream.consumed(bytes.byteCount)
    guard !isAnswered else { return }
    guard bytes.byteCount <= bodyBytesMax - body.count else { return refuse(.bodyTooLarge(limit: bodyBytesMax)) }
    bytes.withUnsafeBytes { body.append(contentsOf: $0) }
    if isEnd { answer() }
  }

  func received(trailers: HeaderList) {
    answer()
  }

  func closed(_ reason: StreamClosure) {
    task?.cancel()
  }

  private func answer() {
    guard let head, task == nil, !isAnswered else { return }
    let request = HTTPRequest(head: head, body: body)
    body = []
    stream.workBegan()
    task = Task(executorPreference: stream.executor) { [self] in
      let response = await handler.respond(to: request)
      send(response, isHead: request.head.method == "HEAD")
      stream.workEnded()
    }
  }

  /// The rest of the body is not wanted: the stream ends without error after the answer (RFC 9113, 8.1).
  private func refuse(_ refusal: HTTPRefusal) {
    send(handler.response(to: refusal, head: head), isHead: head?.method == "HEAD")
    body = []
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
