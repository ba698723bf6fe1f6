internal import Kernel
internal import NIOCore
internal import Synchronization

/// What is fixed about a call before its first attempt.
struct CallSettings: Sendable {
  /// When the caller stops waiting, all attempts included.
  var deadline: Deadline?
  /// How long one attempt may take.
  var attemptDeadline: Duration?
  var waitsForReady: Bool
  var retry: RetryPolicy
  /// The largest message in each direction, in bytes.
  var messageBytesMax: Int
  var sentMessageBytesMax: Int
}

/// One call, from its first message to its status: what it sends, the attempts to send it, and what came back.
///
///     waiting for an answer ──an attempt's head (streams) or end──▶ committed ──its end──▶ over
///            │   ▲
///     failed ▼   │ after the pause
///          pausing
///
/// Until it is committed the call keeps all it has sent, because another attempt would have to send it again; after
/// that only what the stream has not been given.
final class ClientCall: @unchecked Sendable {  // What changes is touched on `eventLoop` only.
  /// How the answer is handed over.
  private enum Sink {
    /// As a whole, so that nothing of a failed attempt is ever seen.
    case whole(CheckedContinuation<ClientResponse, any Error>)
    /// Message by message.
    case stream
    /// Not yet begun, or handed over.
    case none
  }

  private enum Phase {
    case running
    case ended(Result<Metadata, any Error>)
  }

  let head: ClientCallHead
  let settings: CallSettings
  private let core: ChannelCore
  private var retries: RetryState

  @exclusivity(unchecked) private var phase = Phase.running
  private var sink = Sink.none
  private var attempts: [ClientAttempt] = []
  private var isCommitted = false
  private var pause: Scheduled<Void>?

  // Requests. `kept` are those from number `dropped` on.
  private var kept = FIFO<[UInt8]>()
  private var dropped = 0
  private var keptBytes = 0
  private(set) var requestsEnded = false
  private var writers = FIFO<StreamWaiter<Void>>()

  // Responses.
  private var headers: Metadata?
  private var inbox = FIFO<[UInt8]>()
  private var messages = 0
  private var reader: StreamWaiter<[UInt8]?>?
  private var headReaders: [StreamWaiter<Metadata>] = []
  private let seenTrailers = Mutex<Metadata?>(nil)

  init(_ head: ClientCallHead, _ settings: CallSettings, _ core: ChannelCore) {
    self.head = head
    self.settings = settings
    self.core = core
    retries = RetryState(policy: settings.retry, deadline: settings.deadline)
  }

  // MARK: Attempts

  private func makeAttempt() {
    let own = settings.attemptDeadline.map { Deadline.after($0) }
    let deadline = [own, settings.deadline].compactMap(\.self).min()
    let attempt = ClientAttempt(self, number: retries.attempt, deadline: deadline)
    attempts.append(attempt)
    if attempt.begin(on: core.eventLoop) { core.submit(attempt) }
  }

  /// An attempt is over; not called for those the call has abandoned.
  func ended(_ attempt: ClientAttempt, _ result: Result<Metadata, AttemptFailure>) {
    attempts.removeAll { $0 === attempt }
    guard case .running = phase else { return }
    switch result {
    case .success(let trailers): succeeded(trailers)
    case .failure(let failure): failed(failure)
    }
  }

  private func succeeded(_ trailers: Metadata) {
    if messages == 0, head.method.kind.hasOneResponse {
      return end(.failure(RPCError(.unimplemented, "the server answered without a message")))
    }
    end(.success(trailers))
  }

  private func failed(_ failure: AttemptFailure) {
    if isCommitted { return end(.failure(failure.finalError)) }
    do {
      guard let pause = try retries.pause(after: failure) else { return restart() }
      let time = TimeAmount(pause)
      self.pause = core.eventLoop.scheduleTask(in: time) { self.restart() }
    } catch {
      end(.failure(error))
    }
  }

  private func restart() {
    pause = nil
    guard case .running = phase else { return }
    headers = nil
    messages = 0
    _ = inbox.removeAll()
    makeAttempt()
  }

  /// From here on nothing can be sent again.
  private func commit() {
    guard !isCommitted else { return }
    isCommitted = true
    dropSent()
  }

  // MARK: Requests

  /// The request, framed, if there is exactly one and it is complete.
  var onlyMessage: [UInt8]? { requestsEnded && dropped == 0 && kept.count == 1 ? kept.first : nil }

  /// The framed message of a number, counted from 0.
  func message(at number: Int) -> [UInt8]? { kept[number - dropped] }

  private func keep(_ message: [UInt8]) {
    kept.append(message)
    keptBytes += message.count
  }

  private func dropSent() {
    guard isCommitted, let attempt = attempts.first else { return }
    while dropped < attempt.sentMessages, let message = kept.popFirst() {
      dropped += 1
      keptBytes -= message.count
    }
  }

  /// Resumes when the message is on its way, that is when what is before it has left or is little.
  fileprivate func write(_ message: [UInt8], _ waiter: StreamWaiter<Void>) {
    if case .ended(let result) = phase { return waiter.fail(ClientCall.writeFailure(result)) }
    guard !requestsEnded else { return waiter.fail(RequestsEnded()) }
    if head.method.kind.hasOneRequest, dropped + kept.count > 0 {
      return waiter.fail(RPCError(.internal, "\(head.method) takes one message"))
    }
    guard message.count <= settings.sentMessageBytesMax + Framing.prefixBytes else {
      return waiter.fail(ClientCall.tooLarge(message.count - Framing.prefixBytes, settings))
    }
    keep(message)
    push()
    if isKeepingUp { waiter.resume(()) } else { writers.append(waiter) }
  }

  fileprivate func finish() {
    guard case .running = phase, !requestsEnded else { return }
    requestsEnded = true
    push()
    for writer in writers.removeAll() { writer.resume(()) }  // A stream that has its end is not said to have drained.
  }

  /// What has been sent is kept for another attempt while that is little. Then the call is bound to this one.
  private func push() {
    for attempt in attempts { attempt.push() }
    if let attempt = attempts.first, attempt.sentMessages > 0, keptBytes > Limits.replayBytesMax { commit() }
    dropSent()
  }

  /// True while another message may be given to the stream.
  private var isKeepingUp: Bool {
    let waiting = attempts.first.map { $0.isWaiting ? keptBytes : $0.unsentBytes } ?? keptBytes
    return waiting <= Limits.unsentBytesMax
  }

  func drained(_ attempt: ClientAttempt) {
    guard attempt === attempts.first else { return }
    while isKeepingUp, let writer = writers.popFirst() { writer.resume(()) }
  }

  private static func writeFailure(_ result: Result<Metadata, any Error>) -> any Error {
    switch result {
    case .success: RequestsEnded()
    case .failure(let error): error
    }
  }

  static func tooLarge(_ count: Int, _ settings: CallSettings) -> RPCError {
    RPCError(
      .resourceExhausted, "a message of \(count) bytes exceeds the limit of \(settings.sentMessageBytesMax)")
  }

  // MARK: Responses

  /// Nobody is slow: what comes next could be handed over at once.
  var hasNothingToTake: Bool { inbox.isEmpty }

  func received(headers: Metadata, from attempt: ClientAttempt) {
    self.headers = headers
    guard case .stream = sink else { return }
    commit()
    let readers = headReaders
    headReaders = []
    for reader in readers { reader.resume(headers) }
  }

  func received(_ message: [UInt8], from attempt: ClientAttempt) {
    messages += 1
    guard messages == 1 || !head.method.kind.hasOneResponse else {
      return attempt.fail(.status(RPCError(.unimplemented, "the server answered with more than one message")))
    }
    if let reader, !reader.isOver {
      self.reader = nil
      reader.resume(message)
    } else {
      inbox.append(message)
    }
  }

  fileprivate func read(_ waiter: StreamWaiter<[UInt8]?>) {
    if let message = inbox.popFirst() {
      attempts.first?.taken(message.count)
      return waiter.resume(message)
    }
    switch phase {
    case .ended(.success): waiter.resume(nil)
    case .ended(.failure(let error)): waiter.fail(error)
    case .running:
      guard reader?.isOver ?? true else {
        return waiter.fail(RPCError(.internal, "the answers of a call have one reader at a time"))
      }
      reader = waiter
    }
  }

  fileprivate func readHeaders(_ waiter: StreamWaiter<Metadata>) {
    if let headers { return waiter.resume(headers) }
    switch phase {
    case .ended(.success): waiter.resume([:])
    case .ended(.failure(let error)): waiter.fail(error)
    case .running: headReaders.append(waiter)
    }
  }

  // MARK: End

  private func end(_ result: Result<Metadata, any Error>) {
    guard case .running = phase else { return }
    phase = .ended(result)
    pause?.cancel()
    pause = nil
    for attempt in attempts { attempt.abandon() }
    attempts = []
    _ = kept.removeAll()
    keptBytes = 0
    switch sink {
    case .whole(let continuation):
      sink = .none
      continuation.resume(
        with: result.map { ClientResponse(headers: headers ?? [:], message: inbox.popFirst() ?? [], trailers: $0) })
    case .stream, .none: endStreams(result)
    }
  }

  private func endStreams(_ result: Result<Metadata, any Error>) {
    switch result {
    case .success(let trailers): seenTrailers.withLock { $0 = trailers }
    case .failure(let error): seenTrailers.withLock { $0 = (error as? RPCError)?.metadata ?? [:] }
    }
    for writer in writers.removeAll() { writer.fail(ClientCall.writeFailure(result)) }
    for reader in headReaders { reader.resume(with: result.map { _ in [:] }) }
    headReaders = []
    reader?.resume(with: result.map { _ in nil })
    reader = nil
  }

  /// The caller does not want the rest.
  private func cancel() {
    _ = inbox.removeAll()
    end(.failure(CancellationError()))
  }
}

// MARK: For the caller's tasks

extension ClientCall {
  /// Makes a call with one request and one answer.
  func whole(_ message: [UInt8]) async throws -> ClientResponse {
    guard message.count <= settings.sentMessageBytesMax else { throw ClientCall.tooLarge(message.count, settings) }
    let eventLoop = core.eventLoop
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        eventLoop.run {
          if case .ended(let result) = self.phase {  // Cancelled before it began.
            return continuation.resume(with: result.map { _ in ClientResponse(message: []) })
          }
          self.sink = .whole(continuation)
          self.keep(Framing.frame(message))
          self.requestsEnded = true
          self.makeAttempt()
        }
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
    eventLoop.run {
      guard case .running = self.phase else { return }
      self.sink = .stream
      self.makeAttempt()
    }
    defer { eventLoop.execute { self.cancel() } }
    return try await withTaskCancellationHandler {
      try await body(writer, responses)
    } onCancel: {
      eventLoop.execute { self.cancel() }
    }
  }

  private var writer: RequestWriter<[UInt8]> {
    RequestWriter(
      write: { message, _ in
        try await self.wait { (waiter: StreamWaiter<Void>) in self.write(Framing.frame(message), waiter) }
      },
      finish: { self.core.eventLoop.run { self.finish() } })
  }

  private var responses: ResponseStream<[UInt8]> {
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

extension AttemptFailure {
  /// What the caller is told when nothing is tried again.
  var finalError: any Error {
    switch self {
    case .status(let error), .unprocessed(let error): error
    case .cancelled: CancellationError()
    }
  }
}

extension CallKind {
  var hasOneRequest: Bool { self == .unary || self == .serverStreaming }
  var hasOneResponse: Bool { self == .unary || self == .clientStreaming }
}
