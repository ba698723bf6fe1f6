import Messages
import RPC
import Stubs

enum CompressionCases {
  private static let compressed = CallOptions(compression: .gzip)

  /// A server that cannot tell whether a message was compressed would accept anything; so it is tried first.
  static func clientUnary(_ peer: Peer) async throws {
    try await peer.expectStatus(.invalidArgument) {
      _ = try await peer.call(request(expectCompressed: true))
    }
    for isCompressed in [true, false] {
      let answer = try await peer.call(
        request(expectCompressed: isCompressed), isCompressed ? compressed : CallOptions())
      try expect(answer.message.payload?.body.count == Peer.largeResponseBytes, "the payload has another size")
    }
  }

  private static func request(expectCompressed: Bool) -> GrpcTesting.SimpleRequest {
    var request = Peer.largeRequest
    request.expectCompressed = GrpcTesting.BoolValue(value: expectCompressed)
    return request
  }

  static func serverUnary(_ peer: Peer) async throws {
    for isCompressed in [true, false] {
      var request = Peer.largeRequest
      request.responseCompressed = GrpcTesting.BoolValue(value: isCompressed)
      let answer = try await peer.call(request)
      try expect(answer.message.payload?.body.count == Peer.largeResponseBytes, "the payload has another size")
    }
  }

  /// The first message goes compressed, the second one does not.
  static func clientStreaming(_ peer: Peer) async throws {
    try await peer.expectStatus(.invalidArgument) {
      _ = try await send([(expected: true, isCompressed: false)], peer)
    }
    let total = try await send([(expected: true, isCompressed: true), (expected: false, isCompressed: false)], peer)
    try expect(total == 73_086, "the server counted \(total) bytes")
  }

  private static func send(_ messages: [(expected: Bool, isCompressed: Bool)], _ peer: Peer) async throws -> Int32 {
    let sizes = [27_182, 45_904]
    return try await peer.channel.stream(
      TestServiceMethods.streamingInputCall, options: compressed
    ) { requests, responses in
      for (message, size) in zip(messages, sizes) {
        let request = GrpcTesting.StreamingInputCallRequest(
          payload: GrpcTesting.Payload(body: zeros(size)),
          expectCompressed: GrpcTesting.BoolValue(value: message.expected))
        try await requests.write(try request.serialized(), compressed: message.isCompressed)
      }
      try await requests.finish()
      return try await StreamingCases.one(responses, GrpcTesting.StreamingInputCallResponse.self)
        .aggregatedPayloadSize
    }
  }

  static func serverStreaming(_ peer: Peer) async throws {
    let wanted: [(size: Int32, isCompressed: Bool)] = [(31_415, true), (92_653, false)]
    let request = GrpcTesting.StreamingOutputCallRequest(
      responseParameters: wanted.map {
        GrpcTesting.ResponseParameters(size: $0.size, compressed: GrpcTesting.BoolValue(value: $0.isCompressed))
      })
    let sizes: [Int] = try await peer.channel.stream(
      TestServiceMethods.streamingOutputCall
    ) { requests, responses in
      try await requests.write(try request.serialized())
      try await requests.finish()
      var sizes: [Int] = []
      for try await bytes in responses {
        sizes.append(try GrpcTesting.StreamingOutputCallResponse(serialized: bytes).payload?.body.count ?? 0)
      }
      return sizes
    }
    try expect(sizes == wanted.map { Int($0.size) }, "the answers have the sizes \(sizes)")
  }
}
