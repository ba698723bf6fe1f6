internal import Kernel
public import Messages

/// A service's methods with the code that answers them. Generated: names and paths are never typed twice.
public protocol ServiceBinding: Sendable {
  /// The full name, for example `mobo.wallet.v1.WalletService`.
  var serviceName: String { get }
  var methods: [BoundMethod] { get }
}

/// One method and the code that answers it.
public struct BoundMethod: Sendable {
  /// What runs for a call. One case per kind of call.
  public enum Handler: Sendable {
    /// Request bytes in, response bytes out.
    case unary(@Sendable (_ message: [UInt8], _ context: CallContext) async throws -> [UInt8])
  }

  public let descriptor: MethodDescriptor
  public let handler: Handler

  public init(_ descriptor: MethodDescriptor, _ handler: Handler) {
    self.descriptor = descriptor
    self.handler = handler
  }

  /// A unary method over messages: decodes, validates, answers, encodes.
  public init<Request: Message, Response: Message>(
    _ descriptor: MethodDescriptor,
    _ answer: @escaping @Sendable (_ request: Request, _ context: CallContext) async throws -> Response
  ) {
    self.init(
      descriptor,
      .unary { bytes, context in
        let request: Request
        do throws(MessageFailure) {
          request = try Request(serialized: bytes)
        } catch {
          throw Failure(error)
        }
        return try await answer(try request.validated(), context).serialized()
      })
  }

  /// The same, where the type is known: `.unary(descriptor) { … }`.
  public static func unary<Request: Message, Response: Message>(
    _ descriptor: MethodDescriptor,
    _ answer: @escaping @Sendable (_ request: Request, _ context: CallContext) async throws -> Response
  ) -> BoundMethod {
    BoundMethod(descriptor, answer)
  }
}
