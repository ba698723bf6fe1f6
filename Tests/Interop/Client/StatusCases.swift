import Messages
import RPC
import Stubs

enum StatusCases {
  private static let initialName = "x-grpc-test-echo-initial"
  private static let initialValue = "test_initial_metadata_value"
  private static let trailingName = "x-grpc-test-echo-trailing-bin"
  private static let trailingValue: [UInt8] = [0xAB, 0xAB, 0xAB]

  static func customMetadata(_ peer: Peer) async throws {
    var metadata: Metadata = [initialName: initialValue]
    metadata.appendBinary(trailingName, trailingValue)
    let options = CallOptions(metadata: metadata)

    let answer = try await peer.call(Peer.largeRequest, options)
    try check(answer.headers, answer.trailers)

    let request = GrpcTesting.StreamingOutputCallRequest(
      responseParameters: [GrpcTesting.ResponseParameters(size: Int32(Peer.largeResponseBytes))],
      payload: Peer.largeRequest.payload)
    let (headers, trailers) = try await peer.channel.stream(
      TestServiceMethods.fullDuplexCall, options: options
    ) { requests, responses in
      try await requests.write(try request.serialized())
      try await requests.finish()
      let headers = try await responses.headers
      for try await _ in responses {}
      return (headers, responses.trailers ?? [:])
    }
    try check(headers, trailers)
  }

  private static func check(_ headers: Metadata, _ trailers: Metadata) throws {
    try expect(
      headers[initialName] == initialValue, "the initial metadata is '\(headers[initialName] ?? "absent")'")
    try expect(
      trailers.binary(trailingName) == [trailingValue], "the trailing metadata is not what was sent")
  }

  static func codeAndMessage(_ peer: Peer) async throws {
    try await expectEchoed("test status message", peer)
  }

  /// Tabs, ends of lines and characters beyond ASCII survive `grpc-message`.
  static func specialMessage(_ peer: Peer) async throws {
    try await expectEchoed("\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n", peer)
  }

  private static func expectEchoed(_ message: String, _ peer: Peer) async throws {
    let status = GrpcTesting.EchoStatus(code: Int32(StatusCode.unknown.rawValue), message: message)
    try await peer.expectStatus(.unknown, message) {
      _ = try await peer.call(GrpcTesting.SimpleRequest(responseStatus: status))
    }
    let request = GrpcTesting.StreamingOutputCallRequest(responseStatus: status)
    try await peer.expectStatus(.unknown, message) {
      try await peer.channel.stream(TestServiceMethods.fullDuplexCall) { requests, responses in
        try await requests.write(try request.serialized())
        try await requests.finish()
        for try await _ in responses {}
      }
    }
  }

  static func unimplementedMethod(_ peer: Peer) async throws {
    try await peer.expectStatus(.unimplemented) {
      _ = try await peer.unary(
        TestServiceMethods.unimplementedCall, GrpcTesting.Empty(), as: GrpcTesting.Empty.self)
    }
  }

  static func unimplementedService(_ peer: Peer) async throws {
    try await peer.expectStatus(.unimplemented) {
      _ = try await peer.unary(
        UnimplementedServiceMethods.unimplementedCall, GrpcTesting.Empty(), as: GrpcTesting.Empty.self)
    }
  }
}
