import Kernel
import Messages
import RPC

extension RPCChannel {
  /// Makes a unary call with messages. Every status that is not OK is thrown as a `Failure`.
  func call<Request: Message, Response: Message>(
    _ method: MethodDescriptor, _ request: Request, _ options: CallOptions
  ) async throws -> Response {
    let body: [UInt8]
    do {
      body = try request.serialized()
    } catch {
      throw Failure(error)  // Such as U+0000 in a text that somebody passed on.
    }
    let bytes: [UInt8]
    do {
      bytes = try await unary(method, body, options: options)
    } catch let error as RPCError {
      throw Failure(error)
    }
    do {
      return try Response(serialized: bytes)
    } catch {
      throw Failure(.internalError, "\(method) answered with something that is not a \(Response.fullName)")
    }
  }
}
