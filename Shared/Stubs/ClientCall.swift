import Kernel
import Messages
import RPC

extension RPCChannel {
  /// Makes a unary call with messages. Every status that is not OK is thrown as a `Failure`.
  func call<Request: Message, Response: Message>(
    _ method: MethodDescriptor, _ request: Request, _ options: CallOptions
  ) async throws -> Response {
    let bytes: [UInt8]
    do {
      bytes = try await unary(method, try request.serialized(), options: options)
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
