import Kernel
import Logging
import Messages
import RPC
import Stubs
import Testing

/// Answers all kinds of calls, with refusals where it is told.
private struct Answers: TestServiceHandlers {
  private static func size(_ count: Int32) -> GrpcTesting.StreamingOutputCallResponse {
    var response = GrpcTesting.StreamingOutputCallResponse()
    response.payload = GrpcTesting.Payload(body: [UInt8](repeating: 0, count: Int(count)))
    return response
  }

  func emptyCall(_ request: GrpcTesting.Empty, _ context: CallContext) async throws -> GrpcTesting.Empty { request }
  func unaryCall(
    _ request: GrpcTesting.SimpleRequest, _ context: CallContext
  ) async throws -> GrpcTesting.SimpleResponse { GrpcTesting.SimpleResponse() }
  func cacheableUnaryCall(
    _ request: GrpcTesting.SimpleRequest, _ context: CallContext
  ) async throws -> GrpcTesting.SimpleResponse { GrpcTesting.SimpleResponse() }
  func unimplementedCall(_ request: GrpcTesting.Empty, _ context: CallContext) async throws -> GrpcTesting.Empty {
    request
  }

  /// Refuses behind the last answer if a size is negative.
  func streamingOutputCall(
    _ request: GrpcTesting.StreamingOutputCallRequest, _ context: CallContext,
    _ responses: ResponseWriter<GrpcTesting.StreamingOutputCallResponse>
  ) async throws {
    for parameters in request.responseParameters {
      guard parameters.size >= 0 else { throw Failure(.walletNotFound, "no such wallet") }
      try await responses.write(Self.size(parameters.size))
    }
  }

  /// Answers before the end once it has seen enough.
  func streamingInputCall(
    _ requests: MessageStream<GrpcTesting.StreamingInputCallRequest>, _ context: CallContext
  ) async throws -> GrpcTesting.StreamingInputCallResponse {
    var total: Int32 = 0
    for try await request in requests {
      total += Int32(request.payload?.body.count ?? 0)
      if total >= 1_000 { break }
    }
    return GrpcTesting.StreamingInputCallResponse(aggregatedPayloadSize: total)
  }

  func fullDuplexCall(
    _ requests: MessageStream<GrpcTesting.StreamingOutputCallRequest>, _ context: CallContext,
    _ responses: ResponseWriter<GrpcTesting.StreamingOutputCallResponse>
  ) async throws {
    for try await request in requests {
      for parameters in request.responseParameters { try await responses.write(Self.size(parameters.size)) }
    }
  }

  func halfDuplexCall(
    _ requests: MessageStream<GrpcTesting.StreamingOutputCallRequest>, _ context: CallContext,
    _ responses: ResponseWriter<GrpcTesting.StreamingOutputCallResponse>
  ) async throws {}
}

@Suite("Generated clients and servers", .timeLimit(.minutes(1)))
struct StreamingStubTests {
  private func withClient(_ body: (TestServiceClient) async throws -> Void) async throws {
    let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    let server = RPCServer(
      RPCServerConfiguration(host: "127.0.0.1", port: 0), services: [TestServiceBinding(Answers())], logger: quiet)
    let port = try await server.start().port
    let channel = RPCChannel(target: "127.0.0.1:\(port)", logger: quiet)
    let result: Result<Void, any Error>
    do { result = .success(try await body(TestServiceClient(channel))) } catch { result = .failure(error) }
    await channel.close(within: .zero)
    await server.shutdownGracefully(within: .zero)
    try result.get()
  }

  private static func asking(_ sizes: Int32...) -> GrpcTesting.StreamingOutputCallRequest {
    var request = GrpcTesting.StreamingOutputCallRequest()
    request.responseParameters = sizes.map { GrpcTesting.ResponseParameters(size: $0) }
    return request
  }

  @Test("a stream of answers, and a refusal behind it")
  func serverStreaming() async throws {
    try await withClient { client in
      let sizes = try await client.streamingOutputCall(Self.asking(1, 20, 0)) { responses in
        var sizes: [Int] = []
        for try await response in responses { sizes.append(response.payload?.body.count ?? 0) }
        return sizes
      }
      #expect(sizes == [1, 20, 0])
      let refusal = await #expect(throws: Failure.self) {
        try await client.streamingOutputCall(Self.asking(1, -1)) { responses in
          for try await _ in responses {}
        }
      }
      #expect(refusal?.code == .walletNotFound)
    }
  }

  @Test("a stream of requests, also when the answer comes before its end")
  func clientStreaming() async throws {
    func payload(_ count: Int) -> GrpcTesting.StreamingInputCallRequest {
      var request = GrpcTesting.StreamingInputCallRequest()
      request.payload = GrpcTesting.Payload(body: [UInt8](repeating: 0, count: count))
      return request
    }
    try await withClient { client in
      let small = try await client.streamingInputCall { requests in
        for count in [10, 20, 30] { try await requests.write(payload(count)) }
      }
      #expect(small.aggregatedPayloadSize == 60)
      let early = try await client.streamingInputCall { requests in
        while true { try await requests.write(payload(500)) }
      }
      #expect(early.aggregatedPayloadSize == 1_000)
    }
  }

  @Test("requests and answers in turns, and what the body throws comes through as it is")
  func bidirectional() async throws {
    struct Enough: Error {}
    try await withClient { client in
      let total = try await client.fullDuplexCall { requests, responses in
        var answers = responses.makeAsyncIterator()
        var total = 0
        for size in [31, 9, 2_653] as [Int32] {
          try await requests.write(Self.asking(size))
          total += try await answers.next()?.payload?.body.count ?? 0
        }
        try await requests.finish()
        let end = try await answers.next()
        #expect(end == nil)
        return total
      }
      #expect(total == 31 + 9 + 2_653)
      await #expect(throws: Enough.self) {
        try await client.fullDuplexCall { (_, _) async throws -> Int in throw Enough() }
      }
    }
  }
}
