import NIOCore
import NIOEmbedded
import Testing

@testable import HTTP2
@testable import RPC
@testable import Transport

/// What a server knows of its client's frames beside what nghttp2 knows.
@Suite("Frames of clients", .timeLimit(.minutes(1)))
struct ClientFramesTests {
  private static let sample =
    EmbeddedConnection.greeting + EmbeddedConnection.request(1, isEnd: false)
    + RawFrame.bytes(RawFrame.data, flags: 1, id: 1, Array("hello".utf8)) + EmbeddedConnection.ping
    + EmbeddedConnection.request(0x7FFF_FFFF)

  private func scan(_ pieces: [ArraySlice<UInt8>]) -> [FrameHeader] {
    var scanner = FrameScanner(skipping: FrameScanner.prefaceBytes)
    var frames: [FrameHeader] = []
    for piece in pieces {
      var offset = 0
      piece.withUnsafeBytes { bytes in
        while let frame = scanner.next(in: bytes, from: &offset) { frames.append(frame) }
      }
    }
    return frames
  }

  @Test("the headers are found however the bytes are cut", arguments: 1..<20)
  func cuts(size: Int) {
    let sample = ClientFramesTests.sample
    let pieces = stride(from: 0, to: sample.count, by: size).map { sample[$0..<min($0 + size, sample.count)] }
    let frames = scan(pieces)
    #expect(frames.map(\.type) == [4, 4, 1, 0, 6, 1])
    #expect(frames.map(\.id) == [0, 0, 1, 1, 0, .max])
    #expect(frames.map(\.length) == [0, 0, EmbeddedConnection.block.count, 5, 8, EmbeddedConnection.block.count])
    #expect(frames.map(\.flags) == [0, 1, 4, 1, 0, 5])
  }

  private func verdict(
    on id: Int32, type: UInt8 = RawFrame.headers, _ prepare: (inout ClientFrames) -> Void
  ) -> ClientFrames.Verdict {
    var frames = ClientFrames()
    prepare(&frames)
    return frames.verdict(on: FrameHeader(length: 0, type: type, flags: 4, id: id, start: 0))
  }

  private func opened(_ ids: [Int32], _ frames: inout ClientFrames) {
    let bytes = EmbeddedConnection.preface + ids.flatMap { RawFrame.bytes(RawFrame.headers, flags: 4, id: $0) }
    var offset = 0
    bytes.withUnsafeBytes { raw in _ = frames.nextDoubtful(in: raw, from: &offset) { _ in true } }
  }

  @Test("a closed stream's frame is judged by who closed it")
  func verdicts() {
    #expect(verdict(on: 1) { opened([1, 3], &$0) } == .connectionClosed)
    #expect(verdict(on: 1, type: RawFrame.data) { opened([1, 3], &$0) } == .streamClosed)
    #expect(verdict(on: 3) { opened([1, 5], &$0) } == .neverOpened)
    #expect(verdict(on: 1) { opened([3], &$0) } == .neverOpened)
    #expect(
      verdict(on: 1) {
        opened([1, 3], &$0)
        $0.forsake(1)
      } == .late)
    #expect(
      verdict(on: 3) {
        opened([1, 3], &$0)
        $0.goAway(after: 1)
      } == .late)
  }

  // Goal: a client is never accused of what it could not know. Method: more resets than are remembered.
  @Test("what may have been forgotten counts as late")
  func forgotten() {
    let reset = (0..<300).map { Int32(2 * $0 + 1) }
    func judge(_ id: Int32) -> ClientFrames.Verdict {
      verdict(on: id) { frames in
        opened(reset + [601, 603], &frames)
        for id in reset { frames.forsake(id) }
      }
    }
    #expect(judge(1) == .late)
    #expect(judge(reset[299]) == .late)
    #expect(judge(601) == .connectionClosed)
  }

  @Test("frames that cross a reset do no harm")
  func crossing() throws {
    let embedded = try EmbeddedConnection(server: ConnectionConfiguration()) { stream, _ in stream.reset(.cancel) }
    try embedded.send(EmbeddedConnection.greeting, EmbeddedConnection.request(1, isEnd: false))
    try embedded.send(RawFrame.bytes(RawFrame.data, flags: 1, id: 1))
    _ = try embedded.frames()
    let trailers = RawFrame.bytes(RawFrame.headers, flags: 5, id: 1, [0, 1] + Array("x".utf8) + [1] + Array("y".utf8))
    try embedded.send(RawFrame.bytes(RawFrame.data, id: 1, [1, 2, 3]), trailers)
    try embedded.send(EmbeddedConnection.request(3))
    #expect(try embedded.frames().map(\.type) == [RawFrame.reset])
    #expect(embedded.streams.count == 2)
  }

  @Test("a thousand frames that carry nothing are borne in a period, one more is not", arguments: [1_000, 1_001])
  func controlFrames(count: Int) throws {
    let embedded = try EmbeddedConnection(server: ConnectionConfiguration())
    let unknown = RawFrame.bytes(0xBE, Array("x".utf8))
    try embedded.send(EmbeddedConnection.greeting)
    for _ in 0..<2 {
      embedded.advance(.seconds(6))
      for _ in 0..<1_000 { try embedded.send(unknown) }
      #expect(embedded.isOpen)
    }
    embedded.advance(.seconds(6))
    for _ in 0..<count { try embedded.send(unknown) }
    #expect(embedded.isOpen == (count == 1_000))
  }

  @Test("answers beyond twice the connection's queue cost their streams", arguments: [4, 5])
  func queuedBytes(answers: Int) throws {
    var configuration = ConnectionConfiguration()
    configuration.queuedBytesMax = 2_000
    let embedded = try EmbeddedConnection(server: configuration) { stream, number in
      guard number == answers else { return }
      // All at once, as handlers answer that run side by side.
      stream.send(headers: HeaderList([(":status", "200")]))
      for _ in 0..<answers { stream.send([UInt8](repeating: 7, count: 1_000)) }
    }
    try embedded.send(EmbeddedConnection.preface, EmbeddedConnection.windowSetting(0))
    for number in 0..<answers { try embedded.send(EmbeddedConnection.request(Int32(2 * number + 1))) }
    #expect(try embedded.frames(RawFrame.reset).map(\.code) == (answers == 5 ? [.enhanceYourCalm] : []))
  }

  // MARK: Quotas

  @Test("connections beyond the quota are closed at once, and a closed one makes room", arguments: [false, true])
  func quota(isPerAddress: Bool) async throws {
    let limits: @Sendable (inout RPCServerConfiguration) -> Void = {
      if isPerAddress { $0.connections.connectionsPerAddressMax = 2 } else { $0.connections.connectionsMax = 2 }
    }
    try await Loopback.with(limits: limits) { loopback in
      let first = try await RawClient.connect(port: loopback.port)
      let second = try await RawClient.connect(port: loopback.port)
      #expect(first.isOpen && second.isOpen)
      let third = try await RawClient.connect(port: loopback.port)
      #expect(!third.isOpen)

      first.close()
      var fourth = try await RawClient.connect(port: loopback.port)
      // The server learns of the close in its own time.
      for _ in 0..<10_000 where !fourth.isOpen { fourth = try await RawClient.connect(port: loopback.port) }
      #expect(fourth.isOpen)
      let answer = try await fourth.call(RawClient.headers(), body: Framing.frame([]))
      #expect(answer.grpcStatus == "0")
      second.close()
      fourth.close()
    }
  }
}
