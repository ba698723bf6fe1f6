import Messages
import RPC
import Stubs

/// `grpc.testing.TestService` as gRPC's interoperability tests describe it.
struct TestService: TestServiceHandlers {
  func emptyCall(_ request: GrpcTesting.Empty, _ context: CallContext) async throws -> GrpcTesting.Empty {
    GrpcTesting.Empty()
  }

  func unaryCall(
    _ request: GrpcTesting.SimpleRequest, _ context: CallContext
  ) async throws -> GrpcTesting.SimpleResponse {
    try TestService.check(expectedCompressed: request.expectCompressed, context)
    try TestService.check(request.responseStatus)
    context.compressResponses(request.responseCompressed?.value ?? false)
    return GrpcTesting.SimpleResponse(payload: try TestService.payload(request.responseSize))
  }

  func cacheableUnaryCall(
    _ request: GrpcTesting.SimpleRequest, _ context: CallContext
  ) async throws -> GrpcTesting.SimpleResponse {
    try await unaryCall(request, context)
  }

  func streamingOutputCall(
    _ request: GrpcTesting.StreamingOutputCallRequest, _ context: CallContext,
    _ responses: ResponseWriter<GrpcTesting.StreamingOutputCallResponse>
  ) async throws {
    try await TestService.answer(request, context, responses)
    try TestService.check(request.responseStatus)
  }

  func streamingInputCall(
    _ requests: MessageStream<GrpcTesting.StreamingInputCallRequest>, _ context: CallContext
  ) async throws -> GrpcTesting.StreamingInputCallResponse {
    var total = 0
    for try await request in requests {
      try TestService.check(expectedCompressed: request.expectCompressed, context)
      total += request.payload?.body.count ?? 0
    }
    return GrpcTesting.StreamingInputCallResponse(aggregatedPayloadSize: Int32(clamping: total))
  }

  func fullDuplexCall(
    _ requests: MessageStream<GrpcTesting.StreamingOutputCallRequest>, _ context: CallContext,
    _ responses: ResponseWriter<GrpcTesting.StreamingOutputCallResponse>
  ) async throws {
    for try await request in requests {
      try TestService.check(request.responseStatus)
      try await TestService.answer(request, context, responses)
    }
  }

  func halfDuplexCall(
    _ requests: MessageStream<GrpcTesting.StreamingOutputCallRequest>, _ context: CallContext,
    _ responses: ResponseWriter<GrpcTesting.StreamingOutputCallResponse>
  ) async throws {
    var held: [GrpcTesting.StreamingOutputCallRequest] = []
    for try await request in requests {
      guard held.count < TestService.heldRequestsMax else {
        throw RPCError(.resourceExhausted, "at most \(TestService.heldRequestsMax) requests are held")
      }
      held.append(request)
    }
    for request in held { try await TestService.answer(request, context, responses) }
  }

  func unimplementedCall(_ request: GrpcTesting.Empty, _ context: CallContext) async throws -> GrpcTesting.Empty {
    throw RPCError(.unimplemented, "this method is for testing what happens without it")
  }

  // MARK: - Parts

  private static let heldRequestsMax = 1_000

  /// Sends what the request asks for, pausing as it says.
  private static func answer(
    _ request: GrpcTesting.StreamingOutputCallRequest, _ context: CallContext,
    _ responses: ResponseWriter<GrpcTesting.StreamingOutputCallResponse>
  ) async throws {
    for part in request.responseParameters {
      if part.intervalUs > 0 { try await Task.sleep(for: .microseconds(part.intervalUs)) }
      let response = GrpcTesting.StreamingOutputCallResponse(payload: try payload(part.size))
      try await responses.write(response, compressed: part.compressed?.value)
    }
  }

  private static func payload(_ size: Int32) throws -> GrpcTesting.Payload {
    guard (0...Int32(Limits.sentMessageBytesMax)).contains(size) else {
      throw RPCError(.invalidArgument, "a payload of \(size) bytes cannot be made")
    }
    return GrpcTesting.Payload(body: [UInt8](repeating: 0, count: Int(size)))
  }

  /// Ends the call with the status that the caller asked for.
  private static func check(_ wanted: GrpcTesting.EchoStatus?) throws {
    guard let wanted, wanted.code != 0 else { return }
    throw RPCError(StatusCode(rawValue: Int(wanted.code)) ?? .unknown, wanted.message)
  }

  private static func check(expectedCompressed: GrpcTesting.BoolValue?, _ context: CallContext) throws {
    guard let expectedCompressed, expectedCompressed.value != context.isRequestCompressed else { return }
    throw RPCError(
      .invalidArgument, expectedCompressed.value ? "the message was not compressed" : "the message was compressed")
  }
}
