public import Kernel
public import Messages

// Methods over messages: each decodes and validates what comes in, and encodes what goes out.

extension BoundMethod {
  /// A unary method. Inlinable, so that it is compiled for the messages at hand and not for any.
  @inlinable
  public convenience init<Request: Message, Response: Message>(
    _ descriptor: MethodDescriptor,
    _ answer: @escaping @Sendable (_ request: Request, _ context: CallContext) async throws -> Response
  ) {
    self.init(
      descriptor, .unary { bytes, context in try await answer(try BoundMethod.decode(bytes), context).serialized() },
      framing: .unary { bytes, context in
        let response = try await answer(try BoundMethod.decode(bytes), context)
        return Framing.sealed(try response.serialized(behind: Framing.prefixBytes))
      })
  }

  /// The same, where the type is known: `.unary(descriptor) { … }`.
  public static func unary<Request: Message, Response: Message>(
    _ descriptor: MethodDescriptor,
    _ answer: @escaping @Sendable (_ request: Request, _ context: CallContext) async throws -> Response
  ) -> BoundMethod {
    BoundMethod(descriptor, answer)
  }

  /// A method with one request and any number of responses.
  public static func serverStreaming<Request: Message, Response: Message>(
    _ descriptor: MethodDescriptor,
    _ answer: @escaping @Sendable (
      _ request: Request, _ context: CallContext, _ responses: ResponseWriter<Response>
    ) async throws -> Void
  ) -> BoundMethod {
    BoundMethod(
      descriptor,
      .streaming { requests, responses, context in
        guard let bytes = try await requests.next() else { throw RPCError.requestCardinality }
        try await answer(try decode(bytes), context, encoding(responses))
      })
  }

  /// A method with any number of requests and one response.
  public static func clientStreaming<Request: Message, Response: Message>(
    _ descriptor: MethodDescriptor,
    _ answer: @escaping @Sendable (
      _ requests: MessageStream<Request>, _ context: CallContext
    ) async throws -> Response
  ) -> BoundMethod {
    BoundMethod(
      descriptor,
      .streaming { requests, responses, context in
        try await responses.write(try await answer(decoding(requests), context).serialized())
      })
  }

  /// A method with any number of requests and of responses, in whatever order.
  public static func bidirectional<Request: Message, Response: Message>(
    _ descriptor: MethodDescriptor,
    _ answer: @escaping @Sendable (
      _ requests: MessageStream<Request>, _ context: CallContext, _ responses: ResponseWriter<Response>
    ) async throws -> Void
  ) -> BoundMethod {
    BoundMethod(
      descriptor,
      .streaming { requests, responses, context in
        try await answer(decoding(requests), context, encoding(responses))
      })
  }

  @inlinable
  static func decode<Request: Message>(_ bytes: [UInt8]) throws -> Request {
    let request: Request
    do throws(MessageFailure) {
      request = try Request(serialized: bytes)
    } catch {
      throw Failure(error)
    }
    return try request.validated()
  }

  private static func decoding<Request: Message>(_ requests: MessageStream<[UInt8]>) -> MessageStream<Request> {
    MessageStream { try await requests.next().map { try decode($0) } }
  }

  private static func encoding<Response: Message>(
    _ responses: ResponseWriter<[UInt8]>
  ) -> ResponseWriter<Response> {
    responses.map { try $0.serialized() }
  }
}

extension RPCError {
  /// The status of a request with no message, or with more than the method takes (gRPC's choice of code).
  static let requestCardinality = RPCError(.unimplemented, "the method takes exactly one request message")
}
