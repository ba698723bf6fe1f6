/// A service's methods with the code that answers them. Generated: names and paths are never typed twice.
public protocol ServiceBinding: Sendable {
  /// The full name, for example `mobo.wallet.v1.WalletService`.
  var serviceName: String { get }
  var methods: [BoundMethod] { get }
}

/// One method and the code that answers it. A reference to what never changes, so that passing it on costs nothing.
public final class BoundMethod: Sendable {
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
  /// The same for a call over a connection: a unary method's answer comes with the prefix that it travels with.
  let framing: Handler

  /// Binds code to a method of the same kind: anything else is a mistake of the caller and traps.
  public convenience init(_ descriptor: MethodDescriptor, _ handler: Handler) {
    switch handler {
    case .unary(let answer):
      self.init(descriptor, handler, framing: .unary { Framing.frame(try await answer($0, $1)) })
    case .streaming: self.init(descriptor, handler, framing: handler)
    }
  }

  @usableFromInline
  init(_ descriptor: MethodDescriptor, _ handler: Handler, framing: Handler) {
    switch handler {
    case .unary: precondition(descriptor.kind == .unary, "\(descriptor) is not unary")
    case .streaming: precondition(descriptor.kind != .unary, "\(descriptor) does not stream")
    }
    self.descriptor = descriptor
    self.handler = handler
    self.framing = framing
  }
}
