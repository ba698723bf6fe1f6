import Kernel
import Messages
import Testing

@testable import HTTP2
@testable import RPC

@Suite("gRPC on the wire")
struct WireTests {
  @Test(
    "a time-out is read in every unit, with up to eight digits",
    arguments: [
      ("1H", .seconds(3_600)), ("2M", .seconds(120)), ("3S", .seconds(3)), ("4m", .milliseconds(4)),
      ("5u", .microseconds(5)), ("6n", .nanoseconds(6)), ("0n", .zero), ("99999999n", .nanoseconds(99_999_999)),
    ] as [(String, Duration)])
  func timeouts(text: String, expected: Duration) {
    #expect(Timeout.parse(Array(text.utf8)) == expected)
  }

  @Test(
    "what is no time-out is refused",
    arguments: ["", "1", "S", "-1S", "1s", "1 S", "1.5S", "123456789S", "١S"])
  func malformedTimeouts(text: String) {
    #expect(Timeout.parse(Array(text.utf8)) == nil)
  }

  @Test(
    "a time-out is written with at most eight digits and never longer than it is",
    arguments: [
      .nanoseconds(1), .nanoseconds(99_999_999), .nanoseconds(100_000_000), .seconds(99), .seconds(100),
      .milliseconds(5_000), .seconds(99_999), .seconds(100_000), .seconds(99_999_999), .seconds(100_000_000),
    ] as [Duration])
  func writtenTimeouts(duration: Duration) throws {
    let text = Timeout.format(duration)
    let read = try #require(Timeout.parse(Array(text.utf8)))
    #expect(text.utf8.count <= 9)
    #expect(read <= duration)
    #expect(duration - read < duration / 1_000 + .seconds(3_600))
  }

  @Test(
    "a status message survives the wire",
    arguments: ["plain", "100 %", "\u{9}tab\r\n", "ünïcödé ☺ 😈", "%41", ""])
  func statusMessages(text: String) {
    let encoded = StatusMessage.encode(text)
    #expect(encoded.utf8.allSatisfy { (0x20...0x7E).contains($0) })
    #expect(StatusMessage.decode(encoded) == text)
  }

  @Test("a long status message is cut between characters, and a broken escape is shown as it came")
  func statusMessageLimits() {
    #expect(StatusMessage.encode("aé", bytesMax: 7) == "a%C3%A9")
    #expect(StatusMessage.encode("aé", bytesMax: 6) == "a")
    #expect(StatusMessage.decode("50%, %zz%4") == "50%, %zz%4")
  }

  // Goal: no cut of the stream matters. Method: two messages, cut at every byte.
  @Test("messages are put together from any pieces")
  func assembly() throws {
    let stream = Framing.frame([1, 2, 3]) + Framing.frame([]) + Framing.frame([4])
    for cut in 0...stream.count {
      var assembler = MessageAssembler(bytesMax: 3)
      var messages: [[UInt8]] = []
      for piece in [stream[..<cut], stream[cut...]] {
        var offset = 0
        let bytes = Array(piece)
        while let message = try assembler.next(in: bytes.span.bytes, from: &offset) { messages.append(message) }
        #expect(offset == bytes.count)
      }
      #expect(messages == [[1, 2, 3], [], [4]])
      #expect(assembler.isIdle)
    }
  }

  @Test("a message is refused from its prefix when it is too large, compressed or malformed")
  func refusedMessages() {
    func refusal(_ bytes: [UInt8]) -> MessageAssembler.Refusal? {
      var assembler = MessageAssembler(bytesMax: 100)
      var offset = 0
      do {
        _ = try assembler.next(in: bytes.span.bytes, from: &offset)
        return nil
      } catch {
        return error
      }
    }
    #expect(refusal([0, 0, 0, 0, 100]) == nil)
    #expect(refusal([0, 0, 0, 0, 101]) == .tooLarge(bytes: 101, bytesMax: 100))
    #expect(refusal([0, 255, 255, 255, 255]) == .tooLarge(bytes: 4_294_967_295, bytesMax: 100))
    #expect(refusal([1, 0, 0, 0, 1]) == .compressed)
    #expect(refusal([2, 0, 0, 0, 1]) == .malformedFlag(2))
  }

  @Test("metadata keeps duplicates in order and hides what belongs to the protocol")
  func metadata() {
    var metadata = Metadata(
      received: HeaderList([
        (":path", "/a/b"), ("content-type", "application/grpc"), ("grpc-timeout", "1S"), ("k", "1"), ("other", "x"),
        ("k", "2"),
      ]))
    #expect(metadata["k"] == "1")
    #expect(metadata.all("k") == ["1", "2"])
    #expect(metadata[":path"] == nil)
    #expect(metadata["grpc-timeout"] == nil)
    #expect(metadata.entries.map(\.name) == ["k", "other", "k"])
    metadata.replace("k", "3")
    #expect(metadata.all("k") == ["3"])
  }

  @Test("binary metadata is read with and without padding, joined or not")
  func binaryMetadata() {
    var metadata: Metadata = ["a-bin": "AQ==", "b-bin": "AQ", "c-bin": "AQ,AgM", "d-bin": "?"]
    #expect(metadata.binary("a-bin") == [[1]])
    #expect(metadata.binary("b-bin") == [[1]])
    #expect(metadata.binary("c-bin") == [[1], [2, 3]])
    #expect(metadata.binary("d-bin") == nil)
    metadata.appendBinary("e-bin", [255, 254])
    #expect(metadata["e-bin"] == "//4")
    #expect(metadata.binary("e-bin") == [[255, 254]])
  }

  @Test(
    "metadata that must not be sent is named",
    arguments: [
      ("grpc-foo", "x"), (":path", "x"), ("te", "x"), ("content-type", "x"), ("connection", "x"), ("a b", "x"),
      ("ä", "x"), ("", "x"), ("ok", "line\nbreak"), ("ok", "é"),
    ])
  func unsendable(name: String, value: String) {
    #expect(Metadata(dictionaryLiteral: (name, value)).violation != nil)
    #expect(Metadata(dictionaryLiteral: ("ok-1_x.y", "fine ~")).violation == nil)
  }

  @Test("content types of gRPC are told from others")
  func contentTypes() {
    for text in ["application/grpc", "application/grpc+proto", "application/grpc;a=b", "application/grpc+proto;x=y"] {
      #expect(RequestHead.isGRPC(Array(text.utf8)[...]), "\(text)")
    }
    for text in ["application/grpc-web", "application/grpc+json", "application/json", "", "text/application/grpc"] {
      #expect(!RequestHead.isGRPC(Array(text.utf8)[...]), "\(text)")
    }
  }

  @Test("targets are lists of addresses with ports")
  func targets() throws {
    #expect(RPCTarget("localhost:50051")?.addresses.map(\.description) == ["localhost:50051"])
    #expect(RPCTarget("dns:///wallet:1, [::1]:2")?.addresses.map(\.description) == ["wallet:1", "[::1]:2"])
    for text in ["", "wallet", "wallet:", "wallet:0", "wallet:65536", ":1", "a:1,", "dns://server/wallet:1"] {
      #expect(RPCTarget(text) == nil, "\(text)")
    }
  }

  @Test("request ids of callers are taken when they are harmless, and ours are never the same")
  func requestIDs() {
    #expect(RequestIdentity.accepted("abc-1") == "abc-1")
    #expect(RequestIdentity.accepted(String(repeating: "a", count: 128)) != nil)
    #expect(RequestIdentity.accepted(String(repeating: "a", count: 129)) == nil)
    #expect(RequestIdentity.accepted("") == nil)
    #expect(RequestIdentity.accepted("two words") == nil)
    #expect(Set((0..<1_000).map { _ in RequestIdentity.make() }).count == 1_000)
    #expect(RequestIdentity.make().utf8.count == 32)
  }

  @Test("traces of callers are taken when they have the shape of W3C Trace Context")
  func traces() {
    let ids = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"
    func accepts(_ text: String) -> Bool {
      CallContext(method: ProbeService.call, metadata: ["traceparent": text]).traceparent == text
    }
    #expect(accepts("00-\(ids)-01"))
    #expect(accepts("01-\(ids)-01-more"))
    #expect(accepts("01-\(ids)-01-" + String(repeating: "m", count: 72)))
    #expect(!accepts("01-\(ids)-01-" + String(repeating: "m", count: 73)))
    #expect(!accepts("00-\(ids)-01-more"))
    #expect(!accepts("01-\(ids)-01more"))
    #expect(!accepts("ff-\(ids)-01"))
    #expect(!accepts("00-\(ids.uppercased())-01"))
    #expect(!accepts("00-\(ids)-0"))
    #expect(!accepts("00-00000000000000000000000000000000-b7ad6b7169203331-01"))
    #expect(!accepts("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01"))
    #expect(!accepts(""))
  }
}
