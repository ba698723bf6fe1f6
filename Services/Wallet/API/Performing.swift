import Access
import Kernel
import Messages
import RPC
import Reliability
import WalletDomain

extension WalletService {
  /// Performs a command that has no request id: its posting key alone recognises repeats.
  func perform<Command: LedgerCommand>(
    _ command: Command
  ) async throws -> (answer: Command.Answer, replayed: Bool) {
    switch try await queue.perform(command) {
    case .applied(let answer): return (answer, false)
    case .replayed(let answer): return (answer, true)
    case .stored: throw Failure(.internalError, "a stored response for a command without a request id")
    }
  }

  /// Performs the command of a user's request, which its id recognises, and makes the response.
  func perform<Command: LedgerCommand, Request: RequestIdentified, Response: ReplayableResponse>(
    _ command: Command, _ request: Request, _ context: CallContext,
    _ response: @escaping @Sendable (_ answer: Command.Answer, _ replayed: Bool) -> Response
  ) async throws -> Response {
    let record = try context.record(of: request) { (answer: Command.Answer) in response(answer, false) }
    return try .answering(try await queue.perform(command, for: record), response)
  }
}

/// A response that says whether it was given before.
protocol ReplayableResponse: Message {
  var replayed: Bool { get set }
}

extension ReplayableResponse {
  /// What a command came to, as its caller is told.
  static func answering<Answer>(
    _ outcome: Outcome<Answer>, _ response: (_ answer: Answer, _ replayed: Bool) -> Self
  ) throws -> Self {
    switch outcome {
    case .applied(let answer): return response(answer, false)
    case .replayed(let answer): return response(answer, true)
    case .stored(let bytes):
      var stored = try Self(serialized: bytes)
      stored.replayed = true
      return stored
    }
  }
}

extension CallContext {
  /// How the request is remembered (DOMAIN 0.4); nil when the caller sent no request id.
  ///
  /// `response` makes what a repeat will get from the command's answer.
  func record<Request: RequestIdentified, Response: Message, Answer>(
    of request: Request, response: @escaping @Sendable (Answer) -> Response
  ) throws -> RequestRecord<Answer>? {
    guard !request.requestId.isEmpty else { return nil }
    return RequestRecord(
      key: RequestKey(caller: try principal().userID.rawValue, rpc: method.name, requestID: request.requestId),
      fingerprint: RequestFingerprint(method: method, message: request).bytes,
      response: { try response($0).serialized() })
  }
}
