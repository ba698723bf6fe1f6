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

/// One attempt of a unary call: waits in its channel's queue, then has a stream, then a result.
final class ClientAttempt: StreamHandler, NIOScheduledCallbackHandler, @unchecked Sendable {
  // Sendable because every access is on the event loop of its channel.
  private enum Phase {
    case waiting
    case open(HTTP2Stream)
    case done
  }

  /// Fixed before the attempt reaches the loop.
  let request: ClientRequest
  let deadline: Deadline?
  let waitsForReady: Bool
  private let messageBytesMax: Int
  private let number: Int

  private var phase = Phase.waiting
  private var continuation: CheckedContinuation<ClientResponse, any Error>?
  private var assembler: MessageAssembler
  private var message: [UInt8]?
  private var timer: NIOScheduledCallback?
  /// What the head said, if that alone decides the call.
  private var headFailure: RPCError?

  init(
    _ request: ClientRequest, number: Int, deadline: Deadline?, waitsForReady: Bool, messageBytesMax: Int
  ) {
    self.request = request
    self.number = number
    self.deadline = deadline
    self.waitsForReady = waitsForReady
    self.messageBytesMax = messageBytesMax
    assembler = MessageAssembler(bytesMax: messageBytesMax)
  }

  var isWaiting: Bool { if case .waiting = phase { true } else { false } }

  // MARK: Begin

  /// Takes the promise to answer; false if the attempt is over already.
  func begin(_ continuation: CheckedContinuation<ClientResponse, any Error>, on eventLoop: any EventLoop) -> Bool {
    guard isWaiting else {
      continuation.resume(throwing: AttemptFailure.cancelled)
      return false
    }
    self.continuation = continuation
    guard let deadline else { return true }
    let remaining = deadline.remaining
    guard remaining > .zero else {
      finish(.status(ClientAttempt.deadlineExceeded))
      return false
    }
    timer = try? eventLoop.scheduleCallback(in: TimeAmount(remaining), handler: self)  // The loop never ends.
    return true
  }

  /// Sends the call on a connection that takes it. Throws what the connection throws, and keeps waiting then.
  func open(on connection: HTTP2Connection, authority: String) throws {
    guard case .waiting = phase else { return }
    let stream = try connection.open(
      headers(authority: authority, isEncrypted: connection.remote.isEncrypted), body: Framing.frame(request.message),
      handler: self)
    phase = .open(stream)
  }

  private func headers(authority: String, isEncrypted: Bool) -> HeaderList {
    var headers = HeaderList([
      (":method", "POST"), (":scheme", isEncrypted ? "https" : "http"), (":path", request.method.path),
      (":authority", authority),
      ("te", "trailers"), ("content-type", "application/grpc"), ("user-agent", ClientAttempt.userAgent),
    ])
    if let deadline { headers.append("grpc-timeout", Timeout.format(deadline.remaining)) }
    if number > 1 { headers.append("grpc-previous-rpc-attempts", String(number - 1)) }
    headers.append(contentsOf: request.metadata.fields)
    return headers
  }

  private static let userAgent = "grpc-swift-mobo/1"

  // MARK: End

  /// Ends the attempt from this side; the server is told to stop.
  func fail(_ failure: AttemptFailure) {
    if case .open(let stream) = phase { stream.reset(.cancel) }
    finish(failure)
  }

  func handleScheduledCallback(eventLoop: some EventLoop) {
    fail(.status(ClientAttempt.deadlineExceeded))
  }

  private func finish(_ failure: AttemptFailure) {
    finish { $0.resume(throwing: failure) }
  }

  private func finish(_ resume: (CheckedContinuation<ClientResponse, any Error>) -> Void) {
    if case .done = phase { return }
    phase = .done
    timer?.cancel()
    timer = nil
    guard let continuation else { return }
    self.continuation = nil
    resume(continuation)
  }

  static let deadlineExceeded = RPCError(.deadlineExceeded, "the deadline has passed")

  // MARK: The answer

  func received(headers: HeaderList, isEnd: Bool) {
    if isEnd { return ended(headers) }
    let status = headers.first(":status") ?? ""
    guard status == "200" else {
      headFailure = RPCError(StatusCode(httpStatus: Int(status) ?? 0), "the server answered with HTTP \(status)")
      return
    }
    guard let type = headers.first("content-type"), RequestHead.isGRPC(Array(type.utf8)[...]) else {
      headFailure = RPCError(.unknown, "the server's answer is not gRPC")
      return
    }
    if let encoding = headers.first("grpc-encoding"), encoding != "identity" {
      headFailure = RPCError(.internal, "the server's answer is compressed with '\(encoding.prefix(32))'")
    }
  }

  func receivedOversizedHeaders(isEnd: Bool) {
    fail(.status(RPCError(.resourceExhausted, "the answer's metadata exceeds the limit")))
  }

  func received(data bytes: RawSpan, isEnd: Bool) {
    guard case .open(let stream) = phase else { return }
    stream.consumed(bytes.byteCount)
    if headFailure == nil {
      var offset = 0
      do throws(MessageAssembler.Refusal) {
        while let next = try assembler.next(in: bytes, from: &offset) {
          guard message == nil else {
            return fail(.status(RPCError(.unimplemented, "the server answered with more than one message")))
          }
          message = next
        }
      } catch {
        return fail(.status(RPCError(error)))
      }
    }
    if isEnd { finish(.status(headFailure ?? RPCError(.internal, "the answer ends without a status"))) }
  }

  func received(trailers: HeaderList) {
    ended(trailers)
  }

  private func ended(_ fields: HeaderList) {
    guard let status = StatusTrailers.status(in: fields) else {
      if let headFailure { return finish(.status(headFailure)) }
      let http = fields.first(":status").flatMap { Int($0) }
      let code = http.map { $0 == 200 ? StatusCode.unknown : StatusCode(httpStatus: $0) } ?? .unknown
      return finish(.status(RPCError(code, "the answer has no gRPC status\(http.map { " (HTTP \($0))" } ?? "")")))
    }
    guard status.code == .ok else { return finish(.status(status)) }
    if let headFailure { return finish(.status(headFailure)) }
    guard assembler.isIdle else { return finish(.status(RPCError(.internal, "the answer ends inside a message"))) }
    guard let message else {
      return finish(.status(RPCError(.unimplemented, "the server answered without a message")))
    }
    let response = ClientResponse(message: message, trailers: status.metadata)
    finish { $0.resume(returning: response) }
  }

  func closed(_ reason: StreamClosure) {
    switch reason {
    case .finished: finish(.status(RPCError(.internal, "the answer ends without a status")))
    case .refused: finish(.unprocessed(RPCError(.unavailable, "the server refused the stream")))
    case .connectionLost: finish(.status(RPCError(.unavailable, "the connection was lost")))
    case .reset(let code):
      finish(.status(RPCError(StatusCode(code), "the server reset the stream: \(code)")))
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
