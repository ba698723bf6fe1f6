internal import HTTP2
internal import Kernel
internal import Logging
internal import NIOCore
internal import Transport

/// One call, from its head to its status.
///
///     head ──▶ receiving ──the one message, and end──▶ running ──answer──▶ done
///       │          └───────── refusal ────────────────────┴── deadline, reset, lost connection ──▶ done
///       └── requests are a stream ──▶ running
///
/// `done` is final: whatever the handler still returns or throws after it is dropped. What only one of the kinds of
/// calls needs is in `ServerCall+Unary` and `ServerCall+Stream`.
final class ServerCall: StreamHandler, NIOScheduledCallbackHandler, @unchecked Sendable {
  // Sendable because every access is on the connection's event loop: NIO calls there, and the handler's task runs on
  // the stream's executor. For the same reason the hot fields go without run-time exclusivity checks.
  enum Phase {
    case head
    case receiving
    case running
    case done
  }

  @exclusivity(unchecked) private(set) var phase = Phase.head
  @exclusivity(unchecked) private var head: RequestHead?
  @exclusivity(unchecked) private(set) var context: CallContext?
  @exclusivity(unchecked) var assembler: MessageAssembler
  /// The message of a request that has one.
  @exclusivity(unchecked) var message: [UInt8]?
  /// What a call needs whose handler reads or writes a stream.
  @exclusivity(unchecked) var flow: StreamFlow?
  @exclusivity(unchecked) private var plainRefusal: PlainRefusal?
  @exclusivity(unchecked) private(set) var isHeadSent = false
  /// Of the answer's messages, as the head said; each may still go as it is.
  @exclusivity(unchecked) private(set) var responseEncoding = MessageEncoding.identity
  @exclusivity(unchecked) private var heldBytes = 0
  @exclusivity(unchecked) private var task: Task<Void, Never>?
  @exclusivity(unchecked) private var timer: NIOScheduledCallback?
  let stream: HTTP2Stream
  private let acceptor: ServerAcceptor
  var core: ServerCore { acceptor.core }
  var method: BoundMethod? { head?.method }

  init(stream: HTTP2Stream, acceptor: ServerAcceptor) {
    self.stream = stream
    self.acceptor = acceptor
    assembler = MessageAssembler(bytesMax: acceptor.core.messageBytesMax)
  }

  // MARK: The request

  func received(headers: HeaderList, isEnd: Bool) {
    let head = acceptor.head(headers)
    guard head.isPOST else {
      return refuse(plainly: WireHeaders.methodNotAllowed, hasBody: !head.isHEAD, isEnd: isEnd)
    }
    guard head.isGRPC else { return refuse(plainly: WireHeaders.unsupportedMediaType, hasBody: true, isEnd: isEnd) }
    guard let method = head.method else {
      return refuse(RPCError(Failure(.unimplemented, "unknown method \(RequestHead.shownPath(headers))")))
    }
    guard let encoding = head.encoding else {
      return refuse(RPCError(.unimplemented, "the message encoding is not supported"), accepted: true)
    }
    assembler.encoding = encoding
    guard head.isTimeoutWellFormed else { return refuse(RPCError(.internal, "grpc-timeout is malformed")) }
    let started = stream.inputInstant
    let deadline = head.timeout.map { Deadline(started.advanced(by: $0)) }
    if let timeout = head.timeout, timeout <= .zero { return refuse(ServerCall.deadlineExceeded) }

    self.head = head
    let context = CallContext(
      method.descriptor, Metadata(received: headers), remote: stream.remote, started: started, deadline: deadline,
      isNamed: head.hasRequestID)
    self.context = context
    switch method.descriptor.kind {
    case .unary, .serverStreaming:
      phase = .receiving
      if isEnd { requestEnded() } else { acceptor.requestBegan(self) }
    case .clientStreaming, .bidirectional: startStream(method, context, StreamFlow(isRequestDone: isEnd))
    }
  }

  func receivedOversizedHeaders(isEnd: Bool) {
    refuse(RPCError(.resourceExhausted, "the request's metadata exceeds the limit"))
  }

  func received(data bytes: RawSpan, isEnd: Bool) {
    if let flow, phase == .running { return receive(bytes, isEnd: isEnd, flow) }
    stream.consumed(bytes.byteCount)
    guard phase == .receiving else { return }
    guard let plainRefusal else { return receiveMessage(bytes, isEnd: isEnd) }
    if plainRefusal.received(bytes.byteCount, isEnd: isEnd) { finish(plainRefusal) }
  }

  func received(trailers: HeaderList) {
    if let flow, phase == .running { return receive(RawSpan(), isEnd: true, flow) }
    guard phase == .receiving else { return }
    if let plainRefusal { finish(plainRefusal) } else { requestEnded() }
  }

  func drained() {
    flow?.drained()
  }

  /// The request with its one message is whole, or never will be.
  func requestEnded() {
    acceptor.requestEnded(self)
    guard assembler.isIdle else { return refuse(ServerCall.truncated) }
    guard message != nil, let method else { return refuse(RPCError.requestCardinality) }
    stream.countMessageReceived()
    noteCompression()
    hold(0)  // From here on the number of running handlers is the bound.
    guard method.descriptor.kind != .unary else {
      beginWork()
      return acceptor.workers.add(self)
    }
    guard let context, let message = message.take() else { return }
    startStream(method, context, StreamFlow(message: message))
  }

  /// Calls that announced no encoding, as most do, pay nothing for this.
  func noteCompression() {
    if assembler.encoding != .identity { context?.noteRequest(isCompressed: assembler.isCompressed) }
  }

  /// Keeps the connection's account of unfinished requests; false if it is overdrawn.
  @discardableResult
  func hold(_ bytes: Int) -> Bool {
    acceptor.assemblyBytes += bytes - heldBytes
    heldBytes = bytes
    return acceptor.assemblyBytes <= Limits.assemblyBytesMax
  }

  // MARK: The handler

  /// From here on the handler's code runs, or is about to. It is a task on the connection's loop, which starts at once
  /// and goes up to its first suspension; then `waits(in:)` is told.
  func beginWork() {
    phase = .running
    stream.workBegan()
  }

  var workers: CallWorkers { acceptor.workers }

  /// The handler's code is next.
  func handlerBegins(_ context: CallContext) {
    let lag = stream.lag
    if lag > .zero { context.call.noteLag(lag) }
    if stream.isConnectionNearlyFull { context.call.noteNearlyFullConnection() }
  }

  /// Keeps the handler's task if the call has not ended already.
  func waits(in task: Task<Void, Never>) {
    guard phase == .running else { return }
    self.task = task
    if let deadline = context?.deadline, timer == nil { startTimer(deadline.remaining) }
  }

  // MARK: Ends

  /// Ends the call with what the handler threw.
  func fail(_ error: any Error, _ context: CallContext) {
    switch error {
    case let failure as Failure where failure.kind == .internal:
      core.logger.error("internal failure", metadata: logMetadata(context, "\(failure.code): \(failure.message)"))
    case is RPCError, is Failure, is CancellationError: break
    default: core.logger.error("unexpected error", metadata: logMetadata(context, "\(error)"))
    }
    guard phase == .running else { return }
    refuse(RPCError(thrown: error))
  }

  func logMetadata(_ context: CallContext, _ error: String) -> Logger.Metadata {
    ["method": "\(context.method)", "request_id": "\(context.requestID)", "error": "\(error)"]
  }

  /// What follows the status: the handler's trailers and the caller's correlation id.
  func ending(_ context: CallContext) -> Metadata {
    var trailers = context.trailers.collected
    if head?.hasRequestID == true { trailers.replace("x-request-id", context.requestID) }
    return trailers
  }

  /// Ends the call with a status other than OK, after what has been sent already. `accepted` adds which encodings
  /// would have been understood.
  func refuse(_ error: RPCError, accepted: Bool = false) {
    guard phase != .done else { return }
    if !isHeadSent, let context, !context.headers.collected.isEmpty {
      // Headers without a message need a block of their own. Unsendable ones are left out of a failure.
      try? sendHead(context)
    }
    let isWhole = !isHeadSent
    var fields = StatusTrailers.fields(
      of: error, isWholeAnswer: isWhole, extra: context.map { ending($0) } ?? Metadata())
    if accepted { fields.append("grpc-accept-encoding", MessageEncoding.accepted) }
    end()
    if isWhole { stream.send(headers: fields, isEnd: true) } else { stream.finish(trailers: fields) }
    stream.stopPeer()
  }

  /// Answers a request that is not gRPC at all, now or when it has ended.
  private func refuse(plainly head: StaticHeaders, hasBody: Bool, isEnd: Bool) {
    let refusal = PlainRefusal(stream, head, hasBody: hasBody)
    guard !isEnd else { return finish(refusal) }
    plainRefusal = refusal
    phase = .receiving
    acceptor.requestBegan(self)
  }

  private func finish(_ refusal: PlainRefusal) {
    acceptor.requestEnded(self)
    end()
    refusal.answer()
  }

  /// Ends the call with the status OK, after what has been sent already.
  func succeed(_ trailers: Metadata) {
    end(ok: true)
    if trailers.isEmpty {
      stream.finish(trailers: WireHeaders.okTrailers)
    } else {
      stream.finish(trailers: StatusTrailers.fields(ofSuccess: trailers))
    }
    stream.stopPeer()
  }

  /// Sends the head in front of the first message. Throws if the handler's headers cannot be sent.
  ///
  /// `compressed` is what was asked of the first message; nil leaves it to the call.
  func sendHead(_ context: CallContext, compressed: Bool? = nil) throws {
    guard !isHeadSent else { return }
    context.call.takeHead()
    let notes = context.call.notes
    let headers = notes?.headers ?? Metadata()
    if let violation = headers.violation {
      core.logger.error("unsendable headers", metadata: logMetadata(context, violation))
      throw RPCError(Failure(.internalError, RPCError.maskedMessage))
    }
    isHeadSent = true
    if compressed == true || notes?.compressesResponses ?? core.compressesResponses { negotiateEncoding(context) }
    if headers.isEmpty, responseEncoding == .identity {
      return stream.send(headers: WireHeaders.responseHead)
    }
    var head = WireHeaders.responseFields
    if responseEncoding != .identity {
      head.append("grpc-encoding", responseEncoding.rawValue)
      head.append("grpc-accept-encoding", MessageEncoding.accepted)
    }
    head.append(contentsOf: headers.fields)
    stream.send(headers: head)
  }

  private func negotiateEncoding(_ context: CallContext) {
    guard let accepted = context.metadata.fields.first("grpc-accept-encoding") else { return }
    responseEncoding = [MessageEncoding.gzip, .deflate].first { $0.isAccepted(by: accepted) } ?? .identity
  }

  /// A framed message with its bytes compressed, if that was asked for and makes it smaller.
  func compressed(_ frame: [UInt8], _ context: CallContext) throws -> [UInt8] {
    guard responseEncoding != .identity else { return frame }
    return try self.frame(Array(frame.dropFirst(Framing.prefixBytes)), context)
  }

  /// A message as it travels: compressed, if that was asked for and makes it smaller.
  func frame(_ message: [UInt8], _ context: CallContext, compressed: Bool? = nil) throws -> [UInt8] {
    guard responseEncoding != .identity, !message.isEmpty,
      compressed ?? context.compressesResponses ?? core.compressesResponses
    else { return Framing.frame(message) }
    do throws(CompressionFailure) {
      let smaller = try responseEncoding.compress(message)
      guard smaller.count < message.count else { return Framing.frame(message) }
      return Framing.frame(smaller, isCompressed: true)
    } catch {
      throw RPCError(error)
    }
  }

  /// From here on nothing that the handler does has an effect.
  private func end(ok: Bool = false) {
    phase = .done
    acceptor.calls?.ended(ok: ok)
    timer?.cancel()
    timer = nil
    task = nil
    message = nil
    plainRefusal = nil
    hold(0)
    if let flow {
      self.flow = nil
      stream.consumed(flow.end())
    }
  }

  func closed(_ reason: StreamClosure) {
    guard phase != .done else { return }
    let running = task
    end()
    running?.cancel()
  }

  // MARK: Time

  /// Bounds the wait for a request that did not come at once, by the caller's deadline if that is sooner.
  func awaitRequest() {
    guard phase == .receiving, timer == nil else { return }
    let limit = core.requestTimeMax
    startTimer(context?.deadline.map { min($0.remaining, limit) } ?? limit)
  }

  private func startTimer(_ delay: Duration) {
    // Fails only on a loop that has ended.
    timer = try? stream.eventLoop.scheduleCallback(in: TimeAmount(max(delay, .zero)), handler: self)
  }

  func handleScheduledCallback(eventLoop: some EventLoop) {
    timer = nil
    guard phase != .done else { return }
    if let deadline = context?.deadline, deadline.hasPassed { return expire() }
    guard phase == .receiving else {
      // The timer was for the request, which has come since.
      if let deadline = context?.deadline { startTimer(deadline.remaining) }
      return
    }
    if let plainRefusal { finish(plainRefusal) } else { refuse(ServerCall.requestTooSlow) }
  }

  private func expire() {
    let running = task
    if let flow, flow.unsentBytes > 0 {
      // The peer is not reading: trailers would wait behind what it does not take.
      end()
      stream.reset(.cancel)
    } else {
      refuse(ServerCall.deadlineExceeded)
    }
    running?.cancel()
  }

  static let deadlineExceeded = RPCError(Failure(.deadlineExceeded, "the deadline has passed"))
  static let truncated = RPCError(.internal, "the request ends inside a message")
  static let overdrawn = RPCError(.resourceExhausted, "too many unfinished messages on this connection")
  static let requestTooSlow = RPCError(.deadlineExceeded, "the request was not complete in time")
}
