import NIOCore
import NIOHTTP1
import Transport

/// One HTTP/1.1 connection on its event loop: reads a request, waits for the answer, writes it, reads the next.
final class HTTP1Connection: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  /// Exits: `waiting` → `reading` on a head; `reading` → `answering` on its end, → `leaving` on a refusal;
  /// `answering` → `waiting` after a response that keeps the connection, else → `leaving`, which ends by closing.
  private enum Phase {
    case waiting
    case reading(Incoming)
    case answering(Incoming, Task<Void, Never>)
    case leaving
  }

  private struct Incoming {
    let head: HTTPRequestHead
    let bodyBytesMax: Int
    let isHead: Bool
    let keepsConnection: Bool
    let isHTTP10: Bool
    var body: [UInt8] = []
  }

  private let configuration: HTTPServerConfiguration
  private let handler: any HTTPHandler
  private let connections: ConnectionRegistry
  private let peer: String
  private var phase = Phase.waiting
  /// Parts of requests sent ahead; never more than the reads that were under way when reading stopped.
  private var ahead: [HTTPServerRequestPart] = []
  /// Why nothing after the parts of `ahead` can be read.
  private var broken: HTTPRefusal?
  private var context: ChannelHandlerContext?
  private var timer: Scheduled<Void>?

  private init(
    _ configuration: HTTPServerConfiguration, _ handler: any HTTPHandler, _ connections: ConnectionRegistry,
    peer: String
  ) {
    self.configuration = configuration
    self.handler = handler
    self.connections = connections
    self.peer = peer
  }

  /// Must be called on the channel's event loop.
  static func install(
    on channel: any Channel, _ configuration: HTTPServerConfiguration, _ handler: any HTTPHandler,
    _ connections: ConnectionRegistry
  ) throws {
    var limits = NIOHTTPDecoderLimitConfiguration()
    limits.maxHeaderFieldSize = configuration.headerListBytesMax
    limits.maxHeaderListSize = configuration.headerListBytesMax
    limits.maxHeaderFieldCount = configuration.headerFieldsMax
    let decoder = HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes, limitConfiguration: limits)
    let peer = channel.remoteAddress.map { "\($0.ipAddress ?? ""):\($0.port ?? 0)" } ?? ""
    try channel.pipeline.syncOperations.addHandlers([
      ByteToMessageHandler(decoder), HTTPResponseEncoder(),
      HTTP1Connection(configuration, handler, connections, peer: peer),
    ])
  }

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    startTimer(configuration.headTimeout) { $0.close() }
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    stop()
    self.context = nil
  }

  func channelInactive(context: ChannelHandlerContext) {
    stop()
    context.fireChannelInactive()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let part = unwrapInboundIn(data)
    switch phase {
    case .answering: ahead.append(part)
    case .leaving: break  // Read and thrown away, so that the client gets to read our answer.
    case .waiting, .reading: receive(part)
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    guard let failure = error as? HTTPParserError else { return close() }
    let refusal: HTTPRefusal = failure == .headerOverflow ? .headersTooLarge : .malformed("the request is not HTTP")
    if case .answering = phase {
      broken = refusal  // The request before is fine and gets its answer first.
      return
    }
    refuse(refusal, nil)
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if event is DrainRequest, case .waiting = phase { close() }
    context.fireUserInboundEventTriggered(event)
  }

  // MARK: - Reading

  private func receive(_ part: HTTPServerRequestPart) {
    switch (part, phase) {
    case (.head(let head), .waiting): begin(head)
    case (.body(let bytes), .reading(var incoming)):
      phase = .waiting  // Releases the other reference to the body, so that appending does not copy.
      let room = incoming.bodyBytesMax - incoming.body.count
      guard bytes.readableBytes <= room else {
        return refuse(.bodyTooLarge(limit: incoming.bodyBytesMax), incoming.head)
      }
      incoming.body.append(contentsOf: bytes.readableBytesView)
      phase = .reading(incoming)
    case (.end, .reading(let incoming)): answer(incoming)
    default: refuse(.malformed("the request is not HTTP"), nil)
    }
  }

  private func begin(_ raw: NIOHTTP1.HTTPRequestHead) {
    let head: HTTPRequestHead
    switch RequestTarget.parse(raw, peer: peer) {
    case .success(let parsed): head = parsed
    case .failure(let problem): return refuse(.malformed(problem.reason), nil)
    }
    guard !connections.isDraining else { return refuse(.draining, head) }
    let limit = handler.bodyBytesMax(for: head)
    if let length = head.headers["content-length"].flatMap(Int.init), length > limit {
      return refuse(.bodyTooLarge(limit: limit), head)
    }
    let expectation = head.headers["expect"]?.lowercased()
    guard expectation == nil || expectation == "100-continue" else { return refuse(.expectationFailed, head) }
    if expectation != nil, raw.version == .http1_1 {
      let interim = HTTPResponseHead(version: .http1_1, status: .continue)
      context?.writeAndFlush(wrapOutboundOut(.head(interim)), promise: nil)
    }
    phase = .reading(
      Incoming(
        head: head, bodyBytesMax: limit, isHead: raw.method == .HEAD, keepsConnection: raw.isKeepAlive,
        isHTTP10: raw.version == .http1_0))
    startTimer(configuration.bodyTimeout) { connection in
      guard case .reading(let incoming) = connection.phase else { return }
      connection.refuse(.timedOut, incoming.head)
    }
  }

  private func answer(_ incoming: Incoming) {
    guard let loop = context?.eventLoop else { return }
    timer?.cancel()
    setAutoRead(false)
    let request = HTTPRequest(head: incoming.head, body: incoming.body)
    let connection = NIOLoopBound(self, eventLoop: loop)
    // Not immediate: a row of requests sent ahead would be answered by recursion.
    let task = Task(executorPreference: LoopExecutor(loop)) { [handler] in
      let response = await handler.respond(to: request)
      connection.value.answered(with: response)
    }
    var head = incoming
    head.body = []
    phase = .answering(head, task)
  }

  // MARK: - Writing

  private func answered(with response: HTTPResponse) {
    guard case .answering(let incoming, _) = phase else { return }
    let keeps = incoming.keepsConnection && !connections.isDraining
    write(response, isHead: incoming.isHead, keeps: keeps, isHTTP10: incoming.isHTTP10)
    guard keeps else { return leave() }
    phase = .waiting
    let waiting = ahead
    ahead = []
    startTimer(configuration.idleTimeout) { $0.close() }
    for (index, part) in waiting.enumerated() {
      if case .answering = phase {
        ahead.append(contentsOf: waiting[index...])
        return
      }
      receive(part)
    }
    if case .answering = phase { return }
    if let broken { return refuse(broken, nil) }
    setAutoRead(true)
  }

  /// Answers without the handler and gives the connection up, because the rest of the request was not read.
  private func refuse(_ refusal: HTTPRefusal, _ head: HTTPRequestHead?) {
    if case .leaving = phase { return }
    timer?.cancel()
    write(
      handler.response(to: refusal, head: head), isHead: head?.method == "HEAD", keeps: false, isHTTP10: false)
    leave()
  }

  private func write(_ response: HTTPResponse, isHead: Bool, keeps: Bool, isHTTP10: Bool) {
    guard let context else { return }
    var head = HTTPResponseHead(version: .http1_1, status: .init(statusCode: response.status))
    for field in response.headers where !Self.ownHeaders.contains(field.name) {
      head.headers.add(name: field.name, value: field.value)
    }
    let mayHaveBody = response.status >= 200 && response.status != 204 && response.status != 304
    if mayHaveBody { head.headers.add(name: "content-length", value: String(response.body.count)) }
    head.headers.add(name: "date", value: HTTPDate.now())
    if !keeps {
      head.headers.add(name: "connection", value: "close")
    } else if isHTTP10 {
      head.headers.add(name: "connection", value: "keep-alive")
    }
    context.write(wrapOutboundOut(.head(head)), promise: nil)
    if mayHaveBody, !isHead, !response.body.isEmpty {
      let buffer = context.channel.allocator.buffer(bytes: response.body)
      context.write(wrapOutboundOut(.body(.byteBuffer(buffer))), promise: nil)
    }
    context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
  }

  /// Headers that describe the connection or the framing, which only the server knows.
  static let ownHeaders: Set<String> = ["content-length", "transfer-encoding", "connection", "date"]

  /// Ends our side, then reads on for a while: closing at once while the client still sends would reset the
  /// connection and destroy the answer before the client has read it (RFC 9112, 9.6).
  private func leave() {
    phase = .leaving
    ahead = []
    guard let context else { return }
    setAutoRead(true)
    startTimer(configuration.writeTimeout) { $0.close() }
    let connection = NIOLoopBound(self, eventLoop: context.eventLoop)
    context.close(mode: .output).whenComplete { result in
      guard case .success = result else { return connection.value.close() }
      connection.value.startTimer(Self.lingerTime) { $0.close() }
    }
  }

  private static let lingerTime = Duration.seconds(2)

  private func close() {
    stop()
    context?.close(promise: nil)
  }

  private func stop() {
    timer?.cancel()
    if case .answering(_, let task) = phase { task.cancel() }
    phase = .leaving
  }

  private func setAutoRead(_ isOn: Bool) {
    try? context?.channel.syncOptions?.setOption(.autoRead, value: isOn)
    if isOn { context?.read() }
  }

  private func startTimer(_ delay: Duration, _ body: @escaping (HTTP1Connection) -> Void) {
    timer?.cancel()
    timer = context?.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(delay)) { [weak self] in
      if let self { body(self) }
    }
  }
}
