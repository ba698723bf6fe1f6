internal import HTTP2
internal import Kernel
internal import NIOCore
internal import Transport

/// How one attempt of a call ended, other than well.
enum AttemptFailure: Error {
  case status(RPCError)
  /// The server has certainly done nothing: sending the call again is invisible to everybody.
  case unprocessed(RPCError)
  case cancelled
}

/// One attempt of a call: waits in its channel's queue, then has a stream, then an end, which its call is told.
final class ClientAttempt: StreamHandler, NIOScheduledCallbackHandler, @unchecked Sendable {
  // Sendable because every access is on the event loop of its channel.
  private enum Phase {
    case waiting
    case open(HTTP2Stream)
    case done
  }

  let call: ClientCall
  /// What the attempt counts for in its channel's queue; nil while it is not in there.
  @exclusivity(unchecked) var queuedBytes: Int?
  private var subchannel: Subchannel?
  /// From 1, over all attempts that a server may have seen.
  let number: Int
  private let deadline: Deadline?

  @exclusivity(unchecked) private var phase = Phase.waiting
  private var timer: NIOScheduledCallback?
  /// What the head said, if that alone decides the call.
  private var headFailure: RPCError?
  /// Messages of the call that the stream has been given.
  @exclusivity(unchecked) private(set) var sentMessages = 0
  /// Bytes that the stream has been given since it last had none left.
  @exclusivity(unchecked) private(set) var unsentBytes = 0
  private var hasFinished = false
  /// Bytes received that the server's window does not have back.
  @exclusivity(unchecked) private var withheldBytes = 0

  init(_ call: ClientCall, number: Int, deadline: Deadline?) {
    self.call = call
    self.number = number
    self.deadline = deadline
  }

  var isWaiting: Bool { if case .waiting = phase { true } else { false } }
  var waitsForReady: Bool { call.settings.waitsForReady }

  // MARK: Begin

  /// Starts the clock; false if the time is over already, which the call has then been told.
  func begin(on eventLoop: any EventLoop) -> Bool {
    guard isWaiting else { return false }
    guard let deadline else { return true }
    let remaining = deadline.remaining
    guard remaining > .zero else {
      end(.status(ClientAttempt.deadlineExceeded))
      return false
    }
    timer = try? eventLoop.scheduleCallback(in: TimeAmount(remaining), handler: self)  // The loop never ends.
    return true
  }

  /// Sends the call on a connection that takes it; `head` is what all calls of the method begin with. Throws what the
  /// connection throws, and keeps waiting then.
  func open(on connection: HTTP2Connection, of subchannel: Subchannel, _ head: HeaderList) throws {
    let headers = complete(head)
    if let only = call.onlyMessage {
      phase = .open(try connection.open(headers, body: only, handler: self))
      self.subchannel = subchannel
      sentMessages = 1
      hasFinished = true
      if case .open(let stream) = phase { stream.countMessageSent() }
    } else {
      phase = .open(try connection.open(headers, body: nil, handler: self))
      self.subchannel = subchannel
      push()
    }
  }

  private func complete(_ head: HeaderList) -> HeaderList {
    var head = head
    if let deadline { head.append("grpc-timeout", Timeout.format(deadline.remaining)) }
    if let encoding = call.settings.encoding { head.append("grpc-encoding", encoding.rawValue) }
    if number > 1 { head.append("grpc-previous-rpc-attempts", String(number - 1)) }
    head.append(contentsOf: call.head.metadata.fields)
    return head
  }

  // MARK: Requests

  /// Gives the stream what the call has for it.
  func push() {
    guard case .open(let stream) = phase, !hasFinished else { return }
    while let message = call.message(at: sentMessages) {
      sentMessages += 1
      unsentBytes += message.count
      stream.send(message)
      stream.countMessageSent()
    }
    if call.requestsEnded {
      hasFinished = true
      stream.finish()
    }
  }

  func drained() {
    unsentBytes = 0
    call.drained(self)
  }

  // MARK: End

  /// Ends the attempt from this side; the server is told to stop.
  func fail(_ failure: AttemptFailure) {
    if case .open(let stream) = phase { stream.reset(.cancel) }
    end(.failure(failure))
  }

  /// Ends the attempt, and the call is not told.
  func abandon() {
    if case .open(let stream) = phase { stream.reset(.cancel) }
    _ = leave(.failure(.cancelled))
  }

  func handleScheduledCallback(eventLoop: some EventLoop) {
    fail(.status(ClientAttempt.deadlineExceeded))
  }

  private func end(_ failure: AttemptFailure) {
    end(.failure(failure))
  }

  private func end(_ result: Result<Metadata, AttemptFailure>) {
    if leave(result) { call.ended(self, result) }
  }

  private func leave(_ result: Result<Metadata, AttemptFailure>) -> Bool {
    switch phase {
    case .done: return false
    case .open(let stream): returnWindow(stream, withheldBytes)  // Or the connection would never have it back.
    case .waiting: if queuedBytes != nil { call.core.left(self) }
    }
    phase = .done
    timer?.cancel()
    timer = nil
    if let subchannel {
      self.subchannel = nil
      if case .success = result { subchannel.ended(ok: true) } else { subchannel.ended(ok: false) }
      call.core.ended(self, on: subchannel, result)
    }
    return true
  }

  static let deadlineExceeded = RPCError(.deadlineExceeded, "the deadline has passed")

  // MARK: Responses

  func received(headers: HeaderList, isEnd: Bool) {
    if isEnd { return ended(headers) }
    guard case .open = phase else { return }
    let status = headers.first(":status") ?? ""
    guard status == "200" else {
      headFailure = RPCError(StatusCode(httpStatus: Int(status) ?? 0), "the server answered with HTTP \(status)")
      return
    }
    guard let type = headers.first("content-type"), RequestHead.isGRPC(Array(type.utf8)[...]) else {
      headFailure = RPCError(.unknown, "the server's answer is not gRPC")
      return
    }
    var encoding = MessageEncoding.identity
    if let name = headers.first("grpc-encoding") {
      guard let known = MessageEncoding(wire: name.utf8) else {
        headFailure = RPCError(.internal, "the server's answer is compressed with '\(name.prefix(32))'")
        return
      }
      encoding = known
    }
    call.received(headers: Metadata(received: headers), encoding: encoding, from: self)
  }

  func receivedOversizedHeaders(isEnd: Bool) {
    fail(.status(RPCError(.resourceExhausted, "the answer's metadata exceeds the limit")))
  }

  func received(data bytes: RawSpan, isEnd: Bool) {
    guard case .open(let stream) = phase else { return }
    if headFailure != nil {
      stream.consumed(bytes.byteCount)
    } else {
      withheldBytes += bytes.byteCount
      call.received(bytes, from: self)
    }
    if isEnd { end(.status(headFailure ?? RPCError(.internal, "the answer ends without a status"))) }
  }

  /// So many of the received bytes are part of a message that the reader has, or waits for.
  func taken(_ count: Int) {
    guard case .open(let stream) = phase else { return }
    returnWindow(stream, min(count, withheldBytes))
  }

  func countMessageReceived() {
    if case .open(let stream) = phase { stream.countMessageReceived() }
  }

  private func returnWindow(_ stream: HTTP2Stream, _ count: Int) {
    withheldBytes -= count
    stream.consumed(count)
  }

  func received(trailers: HeaderList) {
    ended(trailers)
  }

  private func ended(_ fields: HeaderList) {
    guard case .open(let stream) = phase else { return }
    // Nobody reads what has not been sent, and the stream would be kept for it.
    stream.resetUnlessSent(.cancel)
    end(outcome(fields))
  }

  private func outcome(_ fields: HeaderList) -> Result<Metadata, AttemptFailure> {
    guard let status = StatusTrailers.status(in: fields) else {
      if let headFailure { return .failure(.status(headFailure)) }
      let http = fields.first(":status").flatMap { Int($0) }
      let code = http.map { $0 == 200 ? StatusCode.unknown : StatusCode(httpStatus: $0) } ?? .unknown
      return .failure(
        .status(RPCError(code, "the answer has no gRPC status\(http.map { " (HTTP \($0))" } ?? "")")))
    }
    guard status.code == .ok else { return .failure(.status(status)) }
    if let headFailure { return .failure(.status(headFailure)) }
    return .success(status.metadata)
  }

  func closed(_ reason: StreamClosure) {
    switch reason {
    case .finished: end(.status(RPCError(.internal, "the answer ends without a status")))
    case .refused: end(.unprocessed(RPCError(.unavailable, "the server refused the stream")))
    case .unread: end(.status(RPCError(.resourceExhausted, "the answers are not read, and other calls need the room")))
    case .connectionLost: end(.status(RPCError(.unavailable, "the connection was lost")))
    case .reset(let code):
      end(.status(RPCError(StatusCode(code), "the server reset the stream: \(code)")))
    }
  }
}

extension StatusCode {
  /// What RST_STREAM means to a call (gRPC over HTTP/2, "HTTP2 Transport Mapping").
  init(_ code: HTTP2ErrorCode) {
    self =
      switch code {
      case .refusedStream: .unavailable
      case .cancel: .cancelled
      case .enhanceYourCalm: .resourceExhausted
      case .inadequateSecurity: .permissionDenied
      default: .internal
      }
  }
}
