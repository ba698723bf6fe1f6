import Messages
import RPC
import Stubs

enum StreamingCases {
  private static let requestBytes = [27_182, 8, 1_828, 45_904]
  private static let responseBytes: [Int32] = [31_415, 9, 2_653, 58_979]

  static func client(_ peer: Peer) async throws {
    let total: Int32 = try await peer.channel.stream(TestServiceMethods.streamingInputCall) { requests, responses in
      for size in requestBytes {
        let request = GrpcTesting.StreamingInputCallRequest(payload: GrpcTesting.Payload(body: zeros(size)))
        try await requests.write(try request.serialized())
      }
      try await requests.finish()
      let answer = try await one(responses, GrpcTesting.StreamingInputCallResponse.self)
      return answer.aggregatedPayloadSize
    }
    try expect(total == 74_922, "the server counted \(total) bytes")
  }

  static func server(_ peer: Peer) async throws {
    let request = GrpcTesting.StreamingOutputCallRequest(
      responseParameters: responseBytes.map { GrpcTesting.ResponseParameters(size: $0) })
    let sizes: [Int32] = try await peer.channel.stream(
      TestServiceMethods.streamingOutputCall
    ) { requests, responses in
      try await requests.write(try request.serialized())
      try await requests.finish()
      var sizes: [Int32] = []
      for try await bytes in responses { sizes.append(try size(bytes)) }
      return sizes
    }
    try expect(sizes == responseBytes, "the answers have the sizes \(sizes)")
  }

  static func pingPong(_ peer: Peer) async throws {
    try await peer.channel.stream(TestServiceMethods.fullDuplexCall) { requests, responses in
      var iterator = responses.makeAsyncIterator()
      for (sent, wanted) in zip(requestBytes, responseBytes) {
        try await requests.write(try request(sent, wanted).serialized())
        guard let bytes = try await iterator.next() else { throw Unexpected("the answers ended early") }
        let received = try size(bytes)
        try expect(received == wanted, "\(received) bytes were answered instead of \(wanted)")
      }
      try await requests.finish()
      try expect(try await iterator.next() == nil, "there is an answer too many")
    }
  }

  static func empty(_ peer: Peer) async throws {
    try await peer.channel.stream(TestServiceMethods.fullDuplexCall) { requests, responses in
      try await requests.finish()
      for try await _ in responses { throw Unexpected("nothing was asked, something answered") }
    }
  }

  /// The caller gives up before it has sent anything.
  static func cancelAfterBegin(_ peer: Peer) async throws {
    try await expectCancelled {
      try await peer.channel.stream(TestServiceMethods.streamingInputCall) { _, responses in
        withUnsafeCurrentTask { $0?.cancel() }
        for try await _ in responses {}
      }
    }
  }

  static func cancelAfterFirstResponse(_ peer: Peer) async throws {
    try await expectCancelled {
      try await peer.channel.stream(TestServiceMethods.fullDuplexCall) { requests, responses in
        var iterator = responses.makeAsyncIterator()
        try await requests.write(try request(requestBytes[0], responseBytes[0]).serialized())
        guard try await iterator.next() != nil else { throw Unexpected("there was no answer") }
        withUnsafeCurrentTask { $0?.cancel() }
        while try await iterator.next() != nil {}
      }
    }
  }

  static func timeoutOnSleepingServer(_ peer: Peer) async throws {
    try await peer.expectStatus(.deadlineExceeded) {
      try await peer.channel.stream(
        TestServiceMethods.fullDuplexCall, options: CallOptions(deadline: .milliseconds(1))
      ) { requests, responses in
        try await requests.write(try request(requestBytes[0], responseBytes[0]).serialized())
        for try await _ in responses {}
      }
    }
  }

  // MARK: - Parts

  private static func request(_ sent: Int, _ wanted: Int32) -> GrpcTesting.StreamingOutputCallRequest {
    GrpcTesting.StreamingOutputCallRequest(
      responseParameters: [GrpcTesting.ResponseParameters(size: wanted)],
      payload: GrpcTesting.Payload(body: zeros(sent)))
  }

  private static func size(_ bytes: [UInt8]) throws -> Int32 {
    let response = try GrpcTesting.StreamingOutputCallResponse(serialized: bytes)
    return Int32(clamping: response.payload?.body.count ?? 0)
  }

  /// The only message of a stream.
  static func one<Response: Message>(
    _ responses: ResponseStream<[UInt8]>, _ type: Response.Type
  ) async throws -> Response {
    var answer: Response?
    for try await bytes in responses {
      try expect(answer == nil, "there is an answer too many")
      answer = try Response(serialized: bytes)
    }
    guard let answer else { throw Unexpected("there is no answer") }
    return answer
  }

  /// Runs the call in a task of its own, because it cancels the task that it runs in.
  private static func expectCancelled(_ call: @escaping @Sendable () async throws -> Void) async throws {
    do {
      try await Task { try await call() }.value
    } catch is CancellationError {
      return
    } catch let error as RPCError where error.code == .cancelled {
      return
    }
    throw Unexpected("the call ended as if nobody had cancelled it")
  }
}
