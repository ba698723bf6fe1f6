internal import HTTP2
internal import Kernel
internal import Logging
internal import NIOCore
internal import Transport

/// What all calls of a server share.
struct ServerCore: Sendable {
  let router: Router
  let chain: CallChain
  let messageBytesMax: Int
  let sentMessageBytesMax: Int
  let logger: Logger
}

/// Speaks gRPC on the connections of a server. One per connection.
final class ServerAcceptor: StreamAcceptor {
  fileprivate let core: ServerCore
  /// What the messages of unfinished requests on this connection take up.
  fileprivate var assemblyBytes = 0

  init(core: ServerCore) {
    self.core = core
  }

  func accept(_ stream: HTTP2Stream) -> any StreamHandler {
    ServerCall(stream: stream, acceptor: self)
  }
}

/// One call, from its head to its status.
///
///     head ──▶ receiving ──message and end──▶ running ──answer──▶ done
///       └───────────┴───────── refusal ──────────┴── deadline, reset, lost connection ──▶ done
///
/// `done` is final: whatever the handler still returns or throws after it is dropped.
final class ServerCall: StreamHandler, NIOScheduledCallbackHandler, @unchecked Sendable {
  // Sendable because every access is on the connection's event loop: NIO calls there, and the handler's task runs on
  // the stream's executor. For the same reason the hot fields go without run-time exclusivity checks.
  private enum Phase {
    case head
    case receiving
    case running
    case done
  }

  @exclusivity(unchecked) private var phase = Phase.head
  @exclusivity(unchecked) private var method: BoundMethod?
  @exclusivity(unchecked) private var context: CallContext?
  @exclusivity(unchecked) private var assembler: MessageAssembler
  @exclusivity(unchecked) private var message: [UInt8]?
  @exclusivity(unchecked) private var heldBytes = 0
  @exclusivity(unchecked) private var task: Task<Void, Never>?
  @exclusivity(unchecked) private var timer: NIOScheduledCallback?
  @exclusivity(unchecked) private var echoesRequestID = false
  private let stream: HTTP2Stream
  private let acceptor: ServerAcceptor
  private var core: ServerCore { acceptor.core }

  init(stream: HTTP2Stream, acceptor: ServerAcceptor) {
    self.stream = stream
    self.acceptor = acceptor
    assembler = MessageAssembler(bytesMax: acceptor.core.messageBytesMax)
  }

  // MARK: The request

  func received(headers: HeaderList, isEnd: Bool) {
    let head = RequestHead(headers, core.router)
    guard head.isPOST else { return refuse(WireHeaders.methodNotAllowed) }
    guard head.isGRPC else { return refuse(WireHeaders.unsupportedMediaType) }
    guard let method = head.method else {
      return refuse(RPCError(Failure(.unimplemented, "unknown method \(head.path)")))
    }
    guard head.isIdentityEncoded else {
      return refuse(RPCError(.unimplemented, "the message encoding is not supported"), accepted: true)
    }
    guard head.isTimeoutWellFormed else { return refuse(RPCError(.internal, "grpc-timeout is malformed")) }
    let deadline = head.timeout.map { Deadline.after($0) }
    if let timeout = head.timeout, timeout <= .zero { return refuse(ServerCall.deadlineExceeded) }

    self.method = method
    echoesRequestID = head.hasRequestID
    context = CallContext(
      method: method.descriptor, metadata: Metadata(received: headers), peer: stream.peer, deadline: deadline,
      requestID: head.hasRequestID ? nil : RequestIdentity.make())
    phase = .receiving
    if let timeout = head.timeout { startTimer(timeout) }
    if isEnd { requestEnded() }
  }

  func receivedOversizedHeaders(isEnd: Bool) {
    refuse(RPCError(.resourceExhausted, "the request's metadata exceeds the limit"))
  }

  func received(data bytes: RawSpan, isEnd: Bool) {
    stream.consumed(bytes.byteCount)
    guard phase == .receiving else { return }
    var offset = 0
    do throws(MessageAssembler.Refusal) {
      while let next = try assembler.next(in: bytes, from: &offset) {
        guard message == nil else { return refuse(ServerCall.cardinality) }
        message = next
      }
    } catch {
      return refuse(RPCError(error), accepted: error == .compressed)
    }
    if isEnd { return requestEnded() }
    // A message that is complete counts too: its sender may leave the stream open for as long as it likes.
    guard hold(assembler.heldBytes + (message?.count ?? 0)) else {
      return refuse(RPCError(.resourceExhausted, "too many unfinished messages on this connection"))
    }
  }

  func received(trailers: HeaderList) {
    if phase == .receiving { requestEnded() }
  }

  private func requestEnded() {
    guard assembler.isIdle else { return refuse(RPCError(.internal, "the request ends inside a message")) }
    guard let message else { return refuse(ServerCall.cardinality) }
    self.message = nil
    _ = hold(0)  // From here on the number of running handlers is the bound.
    start(message)
  }

  /// Keeps the connection's account of unfinished requests; false if it is overdrawn.
  private func hold(_ bytes: Int) -> Bool {
    acceptor.assemblyBytes += bytes - heldBytes
    heldBytes = bytes
    return acceptor.assemblyBytes <= Limits.assemblyBytesMax
  }

  // MARK: The handler

  private func start(_ message: [UInt8]) {
    guard let context, let method else { return }
    phase = .running
    stream.workBegan()
    let task = Task.immediate(executorPreference: stream.executor) {
      await self.run(method, context, message)
    }
    if phase == .running { self.task = task }
  }

  private func run(_ method: BoundMethod, _ context: CallContext, _ message: [UInt8]) async {
    switch method.handler {
    case .unary(let answer):
      do {
        let response = try await core.chain.run(context, message, answer)
        succeed(response.message, context)
      } catch {
        fail(error, context)
      }
    }
    stream.workEnded()
  }

  private func succeed(_ response: [UInt8], _ context: CallContext) {
    guard phase == .running else { return }
    guard response.count <= core.sentMessageBytesMax else {
      let text = "an answer of \(response.count) bytes exceeds the limit of \(core.sentMessageBytesMax)"
      return fail(RPCError(.resourceExhausted, text), context)
    }
    let trailers = ending(context)
    guard trailers.violation == nil else {
      core.logger.error("unsendable trailers", metadata: logMetadata(context, trailers.violation ?? ""))
      return refuse(RPCError(Failure(.internalError, RPCError.maskedMessage)))
    }
    end()
    stream.send(headers: WireHeaders.responseHead)
    stream.send(Framing.frame(response))
    if trailers.isEmpty {
      stream.finish(trailers: WireHeaders.okTrailers)
    } else {
      stream.finish(trailers: StatusTrailers.fields(ofSuccess: trailers))
    }
  }

  private func fail(_ error: any Error, _ context: CallContext) {
    switch error {
    case let failure as Failure where failure.kind == .internal:
      core.logger.error("internal failure", metadata: logMetadata(context, "\(failure.code): \(failure.message)"))
    case is RPCError, is Failure, is CancellationError: break
    default: core.logger.error("unexpected error", metadata: logMetadata(context, "\(error)"))
    }
    guard phase == .running else { return }
    refuse(RPCError(thrown: error))
  }

  private func logMetadata(_ context: CallContext, _ error: String) -> Logger.Metadata {
    ["method": "\(context.method)", "request_id": "\(context.requestID)", "error": "\(error)"]
  }

  /// What follows the status: the handler's trailers and the caller's correlation id.
  private func ending(_ context: CallContext) -> Metadata {
    var trailers = context.trailers.collected
    if echoesRequestID { trailers.replace("x-request-id", context.requestID) }
    return trailers
  }

  // MARK: Ends

  /// Answers with a status and nothing else. `accepted` adds which encodings would have been understood.
  private func refuse(_ error: RPCError, accepted: Bool = false) {
    guard phase != .done else { return }
    var fields = StatusTrailers.fields(
      of: error, isWholeAnswer: true, extra: context.map { ending($0) } ?? Metadata())
    if accepted { fields.append("grpc-accept-encoding", "identity") }
    end()
    stream.send(headers: fields, isEnd: true)
    stream.stopPeer()
  }

  /// Answers a request that is not gRPC at all.
  private func refuse(_ head: StaticHeaders) {
    end()
    stream.send(headers: head, isEnd: true)
    stream.stopPeer()
  }

  private func end() {
    phase = .done
    timer?.cancel()
    timer = nil
    task = nil
    message = nil
    _ = hold(0)
  }

  func closed(_ reason: StreamClosure) {
    guard phase != .done else { return }
    let running = task
    end()
    running?.cancel()
  }

  // MARK: The deadline

  private func startTimer(_ timeout: Duration) {
    let delay = TimeAmount(timeout)
    timer = try? stream.eventLoop.scheduleCallback(in: delay, handler: self)  // Fails only on a loop that has ended.
  }

  func handleScheduledCallback(eventLoop: some EventLoop) {
    guard phase != .done else { return }
    let running = task
    refuse(ServerCall.deadlineExceeded)
    running?.cancel()
  }

  private static let deadlineExceeded = RPCError(Failure(.deadlineExceeded, "the deadline has passed"))
  private static let cardinality = RPCError(.unimplemented, "the method takes exactly one request message")
}
