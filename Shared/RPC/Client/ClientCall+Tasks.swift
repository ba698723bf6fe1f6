internal import NIOCore
internal import Synchronization

// A call as the tasks of its caller see it: everything here hops to the channel's event loop.

extension ClientCall {
  /// Makes a call with one request and one answer.
  func whole(_ message: [UInt8]) async throws -> ClientResponse {
    let framed = try framed(message, compressed: nil)
    let eventLoop = core.eventLoop
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        eventLoop.run { self.begin(framed, continuation) }
      }
    } onCancel: {
      eventLoop.execute { self.cancel() }
    }
  }

  /// Makes a call that lasts as long as `body`.
  func streamed<R: Sendable>(
    _ body: (RequestWriter<[UInt8]>, ResponseStream<[UInt8]>) async throws -> R
  ) async throws -> R {
    let eventLoop = core.eventLoop
    eventLoop.run { self.beginStream() }
    defer { eventLoop.execute { self.cancel() } }
    return try await withTaskCancellationHandler {
      try await body(requestWriter, responseStream)
    } onCancel: {
      eventLoop.execute { self.cancel() }
    }
  }

  /// The message as it travels. Compressing happens here, in the caller's task, not on the event loop.
  private func framed(_ message: [UInt8], compressed: Bool?) throws -> [UInt8] {
    guard message.count <= settings.sentMessageBytesMax else {
      let limit = settings.sentMessageBytesMax
      throw RPCError(.resourceExhausted, "a message of \(message.count) bytes exceeds the limit of \(limit)")
    }
    guard let encoding = settings.encoding, encoding != .identity, compressed ?? true else {
      return Framing.frame(message)
    }
    do {
      return Framing.frame(try encoding.compress(message), isCompressed: true)
    } catch {
      throw RPCError(error)
    }
  }

  private var requestWriter: RequestWriter<[UInt8]> {
    RequestWriter(
      write: { message, compressed in
        let framed = try self.framed(message, compressed: compressed)
        try await self.wait { (waiter: StreamWaiter<Void>) in self.write(framed, waiter) }
      },
      finish: { self.core.eventLoop.run { self.finish() } })
  }

  private var responseStream: ResponseStream<[UInt8]> {
    ResponseStream(
      headers: { try await self.wait { self.readHeaders($0) } },
      trailers: { self.seenTrailers.withLock { $0 } },
      next: { try await self.wait { self.read($0) } })
  }

  /// Has `begin` run on the loop and waits until it, or somebody later, resumes the waiter.
  private func wait<Value: Sendable>(
    _ begin: @escaping @Sendable (StreamWaiter<Value>) -> Void
  ) async throws -> Value {
    let waiter = StreamWaiter<Value>()
    let eventLoop = core.eventLoop
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        eventLoop.run { if waiter.begin(continuation) { begin(waiter) } }
      }
    } onCancel: {
      eventLoop.execute { waiter.fail(CancellationError()) }
    }
  }
}
