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
