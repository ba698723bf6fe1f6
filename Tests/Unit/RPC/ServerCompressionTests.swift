import Kernel
import Testing

@testable import HTTP2
@testable import RPC
@testable import Transport

@Suite("Compression on the wire of a server", .timeLimit(.minutes(1)))
struct ServerCompressionTests {
  private static let text = [UInt8](repeating: 0x61, count: 10_000)
  private static let encodings: [MessageEncoding] = [.gzip, .deflate]

  private func answer(
    _ headers: [(String, String)], body: [UInt8], limits: (inout RPCServerConfiguration) -> Void = { _ in },
    answer: @escaping @Sendable ([UInt8], CallContext) async throws -> [UInt8] = { bytes, _ in bytes }
  ) async throws -> RawAnswer {
    var result = RawAnswer()
    try await Loopback.with(limits: limits, answer: answer) { loopback in
      let client = try await RawClient.connect(port: loopback.port)
      result = try await client.call(RawClient.headers(headers), body: body)
      client.close()
    }
    return result
  }

  @Test("a compressed request is read, and one that says it is not", arguments: encodings)
  func request(encoding: MessageEncoding) async throws {
    let frame = Framing.frame(try encoding.compress(ServerCompressionTests.text), isCompressed: true)
    let compressed = try await answer([("grpc-encoding", encoding.rawValue)], body: frame)
    #expect(compressed.messages == [ServerCompressionTests.text])
    #expect(compressed.head.first("grpc-encoding") == nil)
    let plain = try await answer([("grpc-encoding", encoding.rawValue)], body: Framing.frame([1]))
    #expect(plain.messages == [[1]])
  }

  @Test("an unknown encoding is UNIMPLEMENTED, and the answer names what is understood")
  func unknown() async throws {
    let answer = try await answer([("grpc-encoding", "br")], body: Framing.frame([]))
    #expect(answer.grpcStatus == "12")
    #expect(answer.head.first("grpc-accept-encoding") == "identity,deflate,gzip")
  }

  @Test("the compressed-flag without an encoding is INTERNAL", arguments: [[], [("grpc-encoding", "identity")]])
  func flagOnly(headers: [(String, String)]) async throws {
    #expect(try await answer(headers, body: [1, 0, 0, 0, 0]).grpcStatus == "13")
  }

  @Test("bytes that are not what their encoding says are INTERNAL", arguments: encodings)
  func malformed(encoding: MessageEncoding) async throws {
    let answer = try await answer(
      [("grpc-encoding", encoding.rawValue)], body: Framing.frame([1, 2, 3], isCompressed: true))
    #expect(answer.grpcStatus == "13")
  }

  @Test("what a message expands to counts against the limit", arguments: [0, 1])
  func bomb(excess: Int) async throws {
    let message = [UInt8](repeating: 0, count: (1 << 20) + excess)
    let frame = Framing.frame(try MessageEncoding.gzip.compress(message), isCompressed: true)
    let answer = try await answer(
      [("grpc-encoding", "gzip")], body: frame, limits: { $0.messageBytesMax = 1 << 20 }, answer: { _, _ in [] })
    #expect(answer.grpcStatus == (excess == 0 ? "0" : "8"))
  }

  @Test(
    "an answer is compressed if the handler asks and the caller accepts it",
    arguments: [
      ("identity,deflate,gzip", "gzip"), ("deflate", "deflate"), ("gzip", "gzip"), ("identity", nil), ("br", nil),
      (nil, nil),
    ] as [(String?, String?)])
  func response(accepted: String?, expected: String?) async throws {
    let answer = try await answer(
      accepted.map { [("grpc-accept-encoding", $0)] } ?? [], body: Framing.frame(ServerCompressionTests.text),
      answer: { bytes, context in
        context.compressResponses(true)
        return bytes
      })
    #expect(answer.grpcStatus == "0")
    #expect(answer.head.first("grpc-encoding") == expected)
    guard let expected, let encoding = MessageEncoding(rawValue: expected) else {
      #expect(answer.body == Framing.frame(ServerCompressionTests.text))
      return
    }
    #expect(answer.body.first == 1)
    #expect(answer.head.first("grpc-accept-encoding") == MessageEncoding.accepted)
    let message = try #require(answer.messages.first)
    #expect(try encoding.decompress(message, bytesMax: 10_000) == ServerCompressionTests.text)
  }

  @Test("the configuration asks for handlers that say nothing", arguments: [(nil, 1), (false, 0)] as [(Bool?, UInt8)])
  func configured(said: Bool?, flag: UInt8) async throws {
    let answer = try await answer(
      [("grpc-accept-encoding", "gzip")], body: Framing.frame(ServerCompressionTests.text),
      limits: { $0.compressesResponses = true },
      answer: { bytes, context in
        if let said { context.compressResponses(said) }
        return bytes
      })
    #expect(answer.body.first == flag)
  }

  @Test("a message that compression would not make smaller goes as it is")
  func incompressible() async throws {
    let answer = try await answer(
      [("grpc-accept-encoding", "gzip")], body: Framing.frame([1, 2]),
      answer: { bytes, context in
        context.compressResponses(true)
        return bytes
      })
    #expect(answer.head.first("grpc-encoding") == "gzip")
    #expect(answer.body == Framing.frame([1, 2]))
  }

  @Test("a stream decides for each message")
  func stream() async throws {
    let text = ServerCompressionTests.text
    try await StreamProbe.with(answer: { requests, responses, context in
      context.compressResponses(true)
      var number = 0
      for try await message in requests {
        try await responses.write(message, compressed: number == 1 ? false : nil)
        number += 1
      }
    }) { client in
      let call = try await client.stream(
        [("grpc-encoding", "gzip"), ("grpc-accept-encoding", "gzip")], path: StreamProbe.both)
      let compressed = try MessageEncoding.gzip.compress(text)
      call.sendBytes(Framing.frame(compressed, isCompressed: true))
      call.send(text)
      call.sendBytes(Framing.frame(compressed, isCompressed: true), isEnd: true)
      let answer = await call.end()
      #expect(answer.head.first("grpc-encoding") == "gzip")
      #expect(answer.messages.map(\.count) == [compressed.count, text.count, compressed.count])
    }
  }

  @Test("a compressed message of a stream that cannot be read ends the call")
  func malformedInStream() async throws {
    try await StreamProbe.with(answer: StreamTests.echo) { client in
      let call = try await client.stream([("grpc-encoding", "gzip")], path: StreamProbe.both)
      call.sendBytes(Framing.frame([1, 2, 3], isCompressed: true))
      #expect(await call.end().grpcStatus == "13")
    }
  }
}
