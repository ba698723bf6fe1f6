public import Kernel
public import Messages

// Methods over messages: each decodes and validates what comes in, and encodes what goes out.

extension UnaryExchange {
  /// The request, decoded and validated. Inlinable, so that it is compiled for the message at hand and not for any.
  @inlinable
  public func request<Request: Message>() throws -> Request { try Request(received: message) }

  /// The answer, encoded.
  @inlinable
  public func answer(_ response: some Message) throws -> [UInt8] { try response.serialized(behind: room) }
}

extension Message {
  /// A message that a peer has sent, which obeys the proto's rules.
  @inlinable
  init(received bytes: [UInt8]) throws {
    do throws(MessageFailure) {
      try self.init(serialized: bytes)
    } catch {
      throw Failure(error)
    }
    try validate()
  }
}

extension BoundMethod {
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
        try await answer(try Request(received: bytes), context, encoding(responses))
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

  private static func decoding<Request: Message>(_ requests: MessageStream<[UInt8]>) -> MessageStream<Request> {
    MessageStream { try await requests.next().map { try Request(received: $0) } }
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
