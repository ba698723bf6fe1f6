/// A service's methods with the code that answers them. Generated: names and paths are never typed twice.
public protocol ServiceBinding: Sendable {
  /// The full name, for example `mobo.wallet.v1.WalletService`.
  var serviceName: String { get }
  var methods: [BoundMethod] { get }
}

/// One method and the code that answers it.
public struct BoundMethod: Sendable {
  /// What runs for a call.
  public enum Handler: Sendable {
    /// Request bytes in, response bytes out.
    case unary(@Sendable (_ message: [UInt8], _ context: CallContext) async throws -> [UInt8])
    /// Of all other kinds. For a server-streaming method the requests are exactly one; a client-streaming method
    /// writes exactly one response.
    case streaming(
      @Sendable (
        _ requests: MessageStream<[UInt8]>, _ responses: ResponseWriter<[UInt8]>, _ context: CallContext
      ) async throws -> Void)
  }

  public let descriptor: MethodDescriptor
  public let handler: Handler

  /// Binds code to a method of the same kind: anything else is a mistake of the caller and traps.
  public init(_ descriptor: MethodDescriptor, _ handler: Handler) {
    switch handler {
    case .unary: precondition(descriptor.kind == .unary, "\(descriptor) is not unary")
    case .streaming: precondition(descriptor.kind != .unary, "\(descriptor) does not stream")
    }
    self.descriptor = descriptor
    self.handler = handler
  }
}
