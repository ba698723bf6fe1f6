internal import HTTP2
internal import NIOCore
internal import Transport

// Calls whose handler reads or writes a stream of messages.

extension ServerCall {
  func startStream(_ method: BoundMethod, _ context: CallContext, _ flow: StreamFlow) {
    guard case .streaming(let answer) = method.handler else { preconditionFailure("checked when it was bound") }
    self.flow = flow
    let requests = MessageStream { try await self.next() }
    let responses = ResponseWriter<[UInt8]>(
      { message, compressed in try await self.write(message, compressed) },
      sendHeaders: { try await self.sendHeaders() })
    beginWork()
    handlerBegins(context)
    let task = Task.immediate(executorPreference: stream.executor) {
      do {
        try await core.chain.run(context) { try await answer(requests, responses, $0) }
        try finishStream(context)
      } catch {
        fail(error, context)
      }
      stream.workEnded()
    }
    waits(in: task)
  }

  /// Ends a stream whose handler has returned, although the peer may still be sending.
  private func finishStream(_ context: CallContext) throws {
    guard phase == .running, let flow else { return }
    if context.method.kind == .clientStreaming, flow.sentMessages != 1 { throw ServerCall.responseCardinality }
    let trailers = ending(context)
    try checkSendable(trailers, context)
    try sendHead(context)
    succeed(trailers)
  }

  private static let responseCardinality = RPCError(.internal, "the method has exactly one response message")

  // MARK: Requests

  func receive(_ bytes: RawSpan, isEnd: Bool, _ flow: StreamFlow) {
    flow.receive(bytes, isEnd: isEnd)
  }

  /// The next request message; nil after the last one. Throws once the call is over.
  private func next() async throws -> [UInt8]? {
    // A handler's own tasks may run elsewhere.
    guard stream.eventLoop.inEventLoop else {
      return try await withTaskExecutorPreference(stream.executor) { try await self.next() }
    }
    while true {
      guard let flow, phase == .running else { throw CancellationError() }
      if let message = flow.takeFirst() { return message }
      if let message = try assembleNext(flow) { return message }
      if flow.isRequestDone {
        guard assembler.isIdle else { throw end(with: ServerCall.truncated) }
        return nil
      }
      try await untilReceived(flow)
    }
  }

  private func assembleNext(_ flow: StreamFlow) throws -> [UInt8]? {
    let (message, takenBytes): ([UInt8]?, Int)
    do throws(MessageAssembler.Refusal) {
      (message, takenBytes) = try flow.assemble(&assembler)
    } catch {
      throw end(with: RPCError(error))
    }
    stream.consumed(takenBytes)
    if message != nil {
      stream.countMessageReceived()
      noteCompression()
    }
    guard hold(assembler.heldBytes) else { throw end(with: ServerCall.overdrawn) }
    return message
  }

  /// Ends the call at once: what is wrong with its bytes is not for the handler to put right.
  private func end(with error: RPCError) -> RPCError {
    refuse(error)
    return error
  }

  private func untilReceived(_ flow: StreamFlow) async throws {
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        if !flow.await(reader: continuation) { continuation.resume(throwing: ServerCall.twoReaders) }
      }
    } onCancel: {
      // On the loop, and therefore after the continuation has been left there.
      stream.eventLoop.execute { self.flow?.cancelReader() }
    }
  }

  private static let twoReaders = RPCError(.internal, "the requests of a call have one reader")

  // MARK: Responses

  private func write(_ message: [UInt8], _ compressed: Bool?) async throws {
    guard stream.eventLoop.inEventLoop else {
      return try await withTaskExecutorPreference(stream.executor) { try await self.write(message, compressed) }
    }
    guard message.count <= core.sentMessageBytesMax else { throw tooLarge(message.count) }
    while true {
      guard let flow, let context, phase == .running else { throw CancellationError() }
      try Task.checkCancellation()
      if mayWrite(flow) {
        try sendHead(context, compressed: compressed)
        let frame = try frame(message, context, compressed: compressed)
        flow.wrote(frame.count)
        stream.countMessageSent()
        return stream.send(frame)
      }
      try await untilDrained(flow)
    }
  }

  private func sendHeaders() async throws {
    guard stream.eventLoop.inEventLoop else {
      return try await withTaskExecutorPreference(stream.executor) { try await self.sendHeaders() }
    }
    guard let context, phase == .running else { throw CancellationError() }
    try sendHead(context)
  }

  /// A stream with nothing to send may always queue one message, so that a full connection stops nobody for good.
  private func mayWrite(_ flow: StreamFlow) -> Bool {
    flow.unsentBytes == 0 || (flow.unsentBytes < Limits.unsentBytesMax && !stream.isConnectionCongested)
  }

  private func untilDrained(_ flow: StreamFlow) async throws {
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { flow.await(writer: $0) }
    } onCancel: {
      stream.eventLoop.execute { self.flow?.wakeWriters() }
    }
  }
}
