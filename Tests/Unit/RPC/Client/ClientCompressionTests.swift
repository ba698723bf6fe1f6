import Testing

@testable import HTTP2
@testable import RPC
@testable import Transport

@Suite("Compression of the client", .timeLimit(.minutes(1)))
struct ClientCompressionTests {
  private static let text = [UInt8](repeating: 65, count: 10_000)

  @Test(
    "requests travel as the call says, and every call says what it understands",
    arguments: [nil, .identity, .gzip, .deflate] as [MessageEncoding?])
  func requests(encoding: MessageEncoding?) async throws {
    try await Loopback.with { loopback in
      let answer = try await loopback.call(Self.text, options: CallOptions(compression: encoding))
      #expect(answer == Self.text)
    }
    try await StreamPeer.with { call, moment in
      switch moment {
      case .head(let headers):
        #expect(headers.first("grpc-accept-encoding") == "identity,deflate,gzip")
        #expect(headers.first("grpc-encoding") == encoding?.rawValue)
        call.head()
        call.send([1])
        call.succeed()
      default: break
      }
    } _: { channel, _ in
      _ = try await channel.unary(ProbeService.call, Self.text, options: CallOptions(compression: encoding))
    }
  }

  @Test("a single message may say otherwise")
  func perMessage() async throws {
    try await StreamPeer.with(takesMessages: false) { call, moment in
      if case .head = moment { call.head() }
    } _: { channel, peer in
      let bytes = try await channel.stream(
        StreamCallTests.bidirectional, options: CallOptions(compression: .gzip)
      ) { requests, responses in
        _ = try await responses.headers
        for compressed in [nil, true, false] as [Bool?] { try await requests.write(Self.text, compressed: compressed) }
        return 0
      }
      #expect(bytes == 0)
    }
  }

  @Test("answers are read in every encoding that is understood", arguments: [.gzip, .deflate] as [MessageEncoding])
  func answers(encoding: MessageEncoding) async throws {
    let compressed = try encoding.compress(Self.text)
    try await StreamPeer.with { call, moment in
      guard case .head = moment else { return }
      call.head([("grpc-encoding", encoding.rawValue)])
      call.stream.send(Framing.frame(compressed, isCompressed: true))
      if call.number == 2 { call.send(Self.text) }
      call.succeed()
    } _: { channel, _ in
      let answer = try await channel.unary(ProbeService.call, [])
      #expect(answer == Self.text)
      try await channel.stream(StreamCallTests.download) { _, responses in
        for try await message in responses { #expect(message == Self.text) }
      }
    }
  }

  @Test("an answer that expands beyond the limit, or lies about its encoding, is refused")
  func refusals() async throws {
    let bomb = try MessageEncoding.gzip.compress(Self.text)
    let narrow = RPCChannelConfiguration(messageBytesMax: Self.text.count - 1)
    try await StreamPeer.with(channel: narrow) { call, moment in
      guard case .head = moment else { return }
      switch call.number {
      case 1: call.head([("grpc-encoding", "gzip")])
      case 2: call.head()
      default: call.head([("grpc-encoding", "snappy")])
      }
      call.stream.send(Framing.frame(bomb, isCompressed: true))
      call.succeed()
    } _: { channel, _ in
      var codes: [StatusCode?] = []
      for _ in 1...3 {
        do { _ = try await channel.unary(ProbeService.call, []) } catch { codes.append((error as? RPCError)?.code) }
      }
      #expect(codes == [.resourceExhausted, .internal, .internal])
    }
  }
}
