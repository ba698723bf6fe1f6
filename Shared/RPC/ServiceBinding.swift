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

  /// The code of a unary method. Decodes, validates, answers and encodes in one function: each async call between
  /// the runtime and the handler costs as much as decoding a small message.
  public typealias UnaryAnswer =
    @Sendable (_ exchange: UnaryExchange, _ context: CallContext) async throws -> [UInt8]

  public let descriptor: MethodDescriptor
  public let handler: Handler
  /// Of a unary method, what `handler` runs.
  let unaryAnswer: UnaryAnswer?

  /// Binds code to a method of the same kind: anything else is a mistake of the caller and traps.
  public init(_ descriptor: MethodDescriptor, _ handler: Handler) {
    self.descriptor = descriptor
    self.handler = handler
    switch handler {
    case .unary(let answer):
      precondition(descriptor.kind == .unary, "\(descriptor) is not unary")
      unaryAnswer = { exchange, context in exchange.answer(try await answer(exchange.message, context)) }
    case .streaming:
      precondition(descriptor.kind != .unary, "\(descriptor) does not stream")
      unaryAnswer = nil
    }
  }

  /// Binds code to a unary method, message to message: `try await $0.answer(handlers.deposit($0.request(), $1))`.
  public init(_ descriptor: MethodDescriptor, _ answer: @escaping UnaryAnswer) {
    precondition(descriptor.kind == .unary, "\(descriptor) is not unary")
    self.descriptor = descriptor
    handler = .unary { try await answer(UnaryExchange($0, room: 0), $1) }
    unaryAnswer = answer
  }
}

/// One request of a unary method, and how its answer is to be encoded.
public struct UnaryExchange: Sendable {
  /// The request's bytes.
  public let message: [UInt8]
  /// How many bytes stay free in front of the answer, for the prefix that it travels with.
  @usableFromInline let room: Int

  init(_ message: [UInt8], room: Int) {
    self.message = message
    self.room = room
  }

  func answer(_ message: [UInt8]) -> [UInt8] {
    room == 0 ? message : Array(repeating: 0, count: room) + message
  }
}
