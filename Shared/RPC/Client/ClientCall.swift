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
  var attempts: MethodConfig.Attempts
  /// How requests are compressed; nil sends them as they are.
  var encoding: MessageEncoding?
  /// The largest message in each direction, in bytes.
  var messageBytesMax: Int
  var sentMessageBytesMax: Int
}

/// One call, from its first message to its status: what it sends, the attempts to send it, and what came back.
///
///     waiting for an answer ──the head of one (streams, hedging), or the end──▶ committed ──its end──▶ over
///            │   ▲
///     failed ▼   │ after the pause
///          pausing
///
/// Until it is committed the call keeps all it has sent, because another attempt would have to send it again; after
/// that only what the stream has not been given.
final class ClientCall: @unchecked Sendable {  // What changes is touched on the channel's event loop only.
  /// How the answer is handed over.
  enum Sink {
    /// As a whole, so that nothing of a failed attempt is ever seen.
    case whole(CheckedContinuation<ClientResponse, any Error>)
    /// Message by message.
    case stream
    /// Not yet begun, or handed over.
    case none
  }

  enum Phase {
    case running
    case ended(Result<Metadata, any Error>)
  }

  private enum Plan {
    case retries(RetryState)
    case hedging(HedgingState)
  }

  let head: ClientCallHead
  let settings: CallSettings
  let core: ChannelCore
  private var plan: Plan

  @exclusivity(unchecked) private(set) var phase = Phase.running
  @exclusivity(unchecked) private var sink = Sink.none
  @exclusivity(unchecked) private(set) var attempts: [ClientAttempt] = []
  private var isCommitted = false
  private var timer: Scheduled<Void>?

  // Requests. `kept` are those from number `dropped` on.
  @exclusivity(unchecked) private var kept = FIFO<[UInt8]>()
  private var dropped = 0
  @exclusivity(unchecked) private(set) var keptBytes = 0
  /// What this call has of the channel's budget for replays.
  private var replayBytes = 0
  @exclusivity(unchecked) private(set) var requestsEnded = false
  private var writers = FIFO<StreamWaiter<Void>>()

  // Responses.
  @exclusivity(unchecked) var responses: ResponseInbox
  private var message: [UInt8]?
  private var headers: Metadata?
  private var reader: StreamWaiter<[UInt8]?>?
  private var headReaders: [StreamWaiter<Metadata>] = []
  let seenTrailers = Mutex<Metadata?>(nil)

  init(_ head: ClientCallHead, _ settings: CallSettings, _ core: ChannelCore) {
    self.head = head
    self.settings = settings
    self.core = core
    responses = ResponseInbox(bytesMax: settings.messageBytesMax)
    switch settings.attempts {
    case .retry(let policy): plan = .retries(RetryState(policy: policy, deadline: settings.deadline))
    case .hedging(let policy): plan = .hedging(HedgingState(policy: policy))
    }
  }

  // MARK: Begin

  func begin(_ message: [UInt8], _ continuation: CheckedContinuation<ClientResponse, any Error>) {
    if case .ended(let result) = phase {  // Cancelled before it began.
      return continuation.resume(with: result.map { _ in ClientResponse(message: []) })
    }
    sink = .whole(continuation)
    keep(message)
    requestsEnded = true
    start()
  }

  func beginStream() {
    guard case .running = phase else { return }
    sink = .stream
    start()
  }

  private func start() {
    core.callBegan()
    makeAttempt(1)
    hedge()
  }

  private func makeAttempt(_ number: Int) {
    let own = settings.attemptDeadline.map { Deadline.after($0) }
    let deadline = [own, settings.deadline].compactMap(\.self).min()
    let attempt = ClientAttempt(self, number: number, deadline: deadline)
    attempts.append(attempt)
    if attempt.begin(on: core.eventLoop) { core.submit(attempt) }
  }

  // MARK: Further attempts

  /// Begins the attempts of a hedged call that are due, and has the next one wait for its time.
  private func hedge() {
    while case .running = phase, !isCommitted, case .hedging(let state) = plan, let delay = state.delay(core.budget) {
      guard delay == .zero else { return hedge(after: delay) }
      beginHedge()
    }
  }

  private func hedge(after delay: Duration) {
    timer?.cancel()
    timer = core.eventLoop.scheduleTask(in: TimeAmount(delay)) {
      self.beginHedge()
      self.hedge()
    }
  }

  private func beginHedge() {
    timer?.cancel()
    timer = nil
    guard case .running = phase, !isCommitted, case .hedging(var state) = plan else { return }
    let number = state.begin(core.budget)
    plan = .hedging(state)
    if let number { makeAttempt(number) }
  }

  /// An attempt is over; not called for those the call has abandoned.
  func ended(_ attempt: ClientAttempt, _ result: Result<Metadata, AttemptFailure>) {
    attempts.removeAll { $0 === attempt }
    guard case .running = phase else { return }
    switch result {
    case .success(let trailers):
      core.budget?.succeeded()
      end(.success(trailers))
    case .failure(let failure): failed(failure, attempt.number)
    }
  }

  private func failed(_ failure: AttemptFailure, _ number: Int) {
    if isCommitted { return end(.failure(failure.finalError)) }
    switch plan {
    case .retries(var state):
      let next = state.next(after: failure, &core.budget)
      plan = .retries(state)
      let number = state.attempt
      switch next {
      case .none(let error): end(.failure(error))
      case .transparent: restart(number)
      case .after(let pause):
        timer = core.eventLoop.scheduleTask(in: TimeAmount(pause)) { self.restart(number) }
      case .wait: break
      }
    case .hedging(var state):
      let next = state.next(after: failure, othersUnderWay: attempts.count, &core.budget)
      plan = .hedging(state)
      switch next {
      case .none(let error): end(.failure(error))
      case .transparent: makeAttempt(number)
      case .after(let pause): hedge(after: pause)
      case .wait: break
      }
    }
  }

  private func restart(_ number: Int) {
    timer = nil
    guard case .running = phase else { return }
    headers = nil
    message = nil
    responses = ResponseInbox(bytesMax: settings.messageBytesMax)
    makeAttempt(number)
  }

  /// From here on nothing is sent again, and nobody but this attempt is listened to.
  private func commit(to attempt: ClientAttempt) {
    guard !isCommitted else { return }
    isCommitted = true
    timer?.cancel()
    timer = nil
    let others = attempts.filter { $0 !== attempt }
    attempts = [attempt]
    for other in others { other.abandon() }
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
    accountReplay(0)
  }

  /// Resumes when the message is on its way, that is when what is before it has left or is little.
  func write(_ message: [UInt8], _ waiter: StreamWaiter<Void>) {
    if case .ended(let result) = phase { return waiter.fail(ClientCall.writeFailure(result)) }
    guard !requestsEnded else { return waiter.fail(RequestsEnded()) }
    if head.method.kind.hasOneRequest, dropped + kept.count > 0 {
      return waiter.fail(RPCError(.internal, "\(head.method) takes one message"))
    }
    keep(message)
    push()
    if isKeepingUp { waiter.resume(()) } else { writers.append(waiter) }
  }

  func finish() {
    guard case .running = phase, !requestsEnded else { return }
    requestsEnded = true
    push()
    for writer in writers.removeAll() { writer.resume(()) }  // A stream that has its end is not said to have drained.
  }

  /// What has been sent is kept for another attempt while that is little. Then the call is bound to the attempt that
  /// has come furthest.
  private func push() {
    for attempt in attempts { attempt.push() }
    if !isCommitted, let furthest = attempts.max(by: { $0.sentMessages < $1.sentMessages }), furthest.sentMessages > 0 {
      accountReplay(keptBytes)
      if keptBytes > Limits.replayBytesMax || core.replayBytes > Limits.replayBytesOfChannelMax {
        commit(to: furthest)
      }
    }
    dropSent()
  }

  private func accountReplay(_ bytes: Int) {
    core.replayBytes += bytes - replayBytes
    replayBytes = bytes
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

  // MARK: Responses

  func received(headers: Metadata, encoding: MessageEncoding, from attempt: ClientAttempt) {
    if case .hedging = plan { commit(to: attempt) }
    self.headers = headers
    responses.encoding = encoding
    guard case .stream = sink else { return }
    commit(to: attempt)
    let readers = headReaders
    headReaders = []
    for reader in readers { reader.resume(headers) }
  }

  /// Bytes of the answer, behind its head.
  func received(_ bytes: RawSpan, from attempt: ClientAttempt) {
    do throws(MessageAssembler.Refusal) {
      guard case .stream = sink else { return try receiveWhole(bytes, from: attempt) }
      var offset = 0
      while !responses.hasBacklog, offset < bytes.byteCount, let reader, !reader.isOver {
        guard let message = try responses.next(in: bytes, from: &offset) else { break }
        attempt.countMessageReceived()
        guard mayHaveAnother(attempt) else { return }
        self.reader = nil
        reader.resume(message)
      }
      attempt.taken(offset)
      if offset < bytes.byteCount { responses.keep(bytes.extracting(offset...)) }
    } catch {
      attempt.fail(.status(RPCError(error)))
    }
  }

  private func receiveWhole(_ bytes: RawSpan, from attempt: ClientAttempt) throws(MessageAssembler.Refusal) {
    var offset = 0
    while let next = try responses.next(in: bytes, from: &offset) {
      attempt.countMessageReceived()
      guard mayHaveAnother(attempt) else { return }
      message = next
    }
    attempt.taken(bytes.byteCount)
  }

  /// False when the server has sent a message too many, which is the end of the attempt.
  private func mayHaveAnother(_ attempt: ClientAttempt) -> Bool {
    guard responses.messages > 1, head.method.kind.hasOneResponse else { return true }
    attempt.fail(.status(ClientCall.tooManyMessages))
    return false
  }

  private static let tooManyMessages = RPCError(.unimplemented, "the server answered with more than one message")

  /// Hands the next message over, or the end.
  func read(_ waiter: StreamWaiter<[UInt8]?>) {
    guard reader?.isOver ?? true else {
      return waiter.fail(RPCError(.internal, "the answers of a call have one reader at a time"))
    }
    do throws(MessageAssembler.Refusal) {
      let (message, taken) = try responses.next()
      attempts.first?.taken(taken)
      if let message {
        attempts.first?.countMessageReceived()
        guard responses.messages > 1, head.method.kind.hasOneResponse else { return waiter.resume(message) }
        end(.failure(ClientCall.tooManyMessages))
        return waiter.fail(ClientCall.tooManyMessages)
      }
    } catch {
      responses.discard()
      end(.failure(RPCError(error)))
      return waiter.fail(RPCError(error))
    }
    switch phase {
    case .running: reader = waiter
    case .ended(let result): waiter.resume(with: finalAnswer(result))
    }
  }

  /// What a reader gets that has taken every message.
  private func finalAnswer(_ result: Result<Metadata, any Error>) -> Result<[UInt8]?, any Error> {
    switch complete(result) {
    case .success: .success(nil)
    case .failure(let error): .failure(error)
    }
  }

  /// A status is only as good as what stands in front of it.
  private func complete(_ result: Result<Metadata, any Error>) -> Result<Metadata, any Error> {
    guard case .success = result else { return result }
    if !responses.isEmpty { return .failure(RPCError(.internal, "the answer ends inside a message")) }
    if responses.messages == 0, head.method.kind.hasOneResponse {
      return .failure(RPCError(.unimplemented, "the server answered without a message"))
    }
    return result
  }

  func readHeaders(_ waiter: StreamWaiter<Metadata>) {
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
    timer?.cancel()
    timer = nil
    for attempt in attempts { attempt.abandon() }
    attempts = []
    _ = kept.removeAll()
    keptBytes = 0
    accountReplay(0)
    switch sink {
    case .whole(let continuation):
      sink = .none
      let result = complete(result)
      core.callEnded(ok: result.isSuccess)
      continuation.resume(
        with: result.map { ClientResponse(headers: headers ?? [:], message: message ?? [], trailers: $0) })
    case .stream:
      core.callEnded(ok: result.isSuccess)
      endStreams(result)
    case .none: break
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
    reader?.resume(with: finalAnswer(result))  // It has taken everything that came before.
    reader = nil
  }

  /// The caller does not want the rest.
  func cancel() {
    responses.discard()
    end(.failure(CancellationError()))
  }
}

extension Result {
  fileprivate var isSuccess: Bool { if case .success = self { true } else { false } }
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
