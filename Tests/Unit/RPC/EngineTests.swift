import NIOCore
import Testing

@testable import HTTP2

/// A client's and a server's engine, joined by nothing but the bytes they want written.
private final class EnginePair {
  let client: HTTP2Engine
  let server: HTTP2Engine
  private(set) var clientEvents: [HTTP2Event] = []
  private(set) var serverEvents: [HTTP2Event] = []
  private(set) var serverHeaders: [HeaderList] = []
  private(set) var clientHeaders: [HeaderList] = []
  private(set) var serverData: [UInt8] = []

  init(server: HTTP2Settings = HTTP2Settings(), client: HTTP2Settings = HTTP2Settings()) throws {
    self.client = try HTTP2Engine(role: .client, settings: client)
    self.server = try HTTP2Engine(role: .server, settings: server)
  }

  /// Carries bytes both ways until nobody has any.
  func exchange() throws {
    for _ in 0..<1_000 {
      let toServer = try bytes(of: client)
      collectClient()
      if toServer.readableBytes > 0 { try deliverToServer(toServer) }
      let toClient = try bytes(of: server)
      collectServer(nil)
      if toClient.readableBytes > 0 {
        try client.receive(toClient)
        collectClient()
      }
      if toServer.readableBytes == 0, toClient.readableBytes == 0 { return }
    }
    Issue.record("the engines never fell silent")
  }

  func bytes(of engine: HTTP2Engine) throws -> ByteBuffer {
    var output = ByteBuffer()
    try engine.drain(into: &output, limit: .max)
    return output
  }

  func deliverToServer(_ bytes: ByteBuffer) throws {
    try server.receive(bytes)
    collectServer(bytes)
  }

  /// Delivers all of the input to the server, in pieces.
  func deliver(_ input: inout ByteBuffer, _ pieceBytes: Int) throws {
    while let piece = input.readSlice(length: min(pieceBytes, input.readableBytes)), piece.readableBytes > 0 {
      try deliverToServer(piece)
    }
  }

  func collectServer(_ input: ByteBuffer?) {
    for position in 0..<server.eventCount {
      let event = server.event(at: position)
      serverEvents.append(event)
      if event.kind == .head || event.kind == .trailers { serverHeaders.append(server.headers(of: event)) }
      if event.kind == .data, let input { serverData += Array(input.readableBytesView)[event.dataRange] }
    }
    server.clearEvents()
  }

  private func collectClient() {
    for position in 0..<client.eventCount {
      let event = client.event(at: position)
      clientEvents.append(event)
      if event.kind == .head || event.kind == .trailers { clientHeaders.append(client.headers(of: event)) }
    }
    client.clearEvents()
  }

  func serverSlots(_ kind: HTTP2Event.Kind) -> [StreamSlot] {
    serverEvents.filter { $0.kind == kind }.map(\.slot)
  }
}

private let request = HeaderList([
  (":method", "POST"), (":scheme", "http"), (":path", "/a.B/C"), (":authority", "test"), ("te", "trailers"),
])

@Suite("HTTP/2 engine")
struct EngineTests {
  // Goal: a head that is like an earlier one is read by comparing. Method: heads that differ in one place or none, all
  // in one input, one input each, and byte by byte.
  @Test("heads are told apart wherever they differ", arguments: [false, true], [1, 3, .max])
  func headsAlike(isAllAtOnce: Bool, pieceBytes: Int) throws {
    let fields = [
      (":method", "POST"), (":scheme", "http"), (":path", "/a.B/C"), (":authority", "test"), ("x-a", "1"), ("x-b", ""),
    ]
    var heads = [HeaderList(fields), HeaderList(fields), HeaderList(fields.dropLast()), HeaderList(fields)]
    heads += [HeaderList(fields + [("x-b", "")]), HeaderList(fields + [("x-c", "3")]), HeaderList(fields)]
    for place in fields.indices.dropFirst(2) {
      var changed = fields
      changed[place].1 += "2"
      heads += [HeaderList(changed), HeaderList(changed), HeaderList(fields)]
    }
    let pair = try EnginePair()
    try pair.exchange()
    var input = ByteBuffer()
    for head in heads {
      _ = try pair.client.open(head, isEnd: true)
      input.writeImmutableBuffer(try pair.bytes(of: pair.client))
      if !isAllAtOnce { try pair.deliver(&input, pieceBytes) }
    }
    try pair.deliver(&input, pieceBytes)
    for (received, sent) in zip(pair.serverHeaders, heads) { #expect(received == sent) }
    #expect(pair.serverHeaders.count == heads.count)
  }

  // Goal: fields that are told by their address are never taken for others. Method: hundreds of heads, some that repeat
  // and some that were never there, so that nghttp2's table of 4 096 bytes forgets and fills again.
  @Test("heads are told apart while the table of fields turns over", arguments: [1, 7])
  func tableTurnsOver(together: Int) throws {
    let pair = try EnginePair()
    try pair.exchange()
    var sent: [HeaderList] = []
    var dice = Seeded(state: 1)
    func roll(_ sides: Int) -> Int { Int.random(in: 0..<sides, using: &dice) }
    while sent.count < 350 {
      for _ in 0..<together {
        var head = HeaderList([(":method", "POST"), (":scheme", "http"), (":path", "/a.B/C\(roll(2))")])
        head.append(":authority", "test")
        head.append("x-a", "\(roll(3))")
        if roll(4) == 0 { head.append("x-b", String(repeating: "\(sent.count)", count: 1 + roll(300))) }
        sent.append(head)
        _ = try pair.client.open(head, isEnd: true)
      }
      try pair.exchange()
      for slot in pair.serverSlots(.head).suffix(together) {
        try pair.server.respond(slot, HeaderList([(":status", "200")]), isEnd: true)
      }
      try pair.exchange()
    }
    try #require(pair.serverHeaders.count == sent.count)
    #expect(sent.indices.filter { pair.serverHeaders[$0] != sent[$0] } == [])
  }

  @Test("a request and its response cross with bodies and trailers")
  func roundTrip() throws {
    let pair = try EnginePair()
    let slot = try pair.client.open(request, isEnd: false)
    pair.client.send(slot, Array("question".utf8))
    pair.client.finish(slot)
    try pair.exchange()

    let stream = try #require(pair.serverSlots(.head).first)
    #expect(pair.serverHeaders == [request])
    #expect(pair.serverData == Array("question".utf8))
    #expect(pair.serverEvents.last { $0.kind == .data }?.isEnd == true)

    try pair.server.respond(stream, HeaderList([(":status", "200")]), isEnd: false)
    pair.server.send(stream, Array("answer".utf8))
    try pair.server.finish(stream, trailers: HeaderList([("grpc-status", "0")]))
    try pair.exchange()
    #expect(pair.clientHeaders.map { $0.first(":status") ?? $0.first("grpc-status") } == ["200", "0"])
    #expect(pair.clientEvents.contains { $0.kind == .closed && $0.code == .noError })
    #expect(pair.serverEvents.contains { $0.kind == .closed && $0.code == .noError })
  }

  @Test("input may be cut anywhere")
  func cutInput() throws {
    let pair = try EnginePair()
    let slot = try pair.client.open(request, isEnd: false)
    pair.client.send(slot, Array("question".utf8))
    pair.client.finish(slot)
    for byte in try pair.bytes(of: pair.client).readableBytesView {
      try pair.deliverToServer(ByteBuffer(bytes: [byte]))
    }
    #expect(pair.serverHeaders == [request])
    #expect(pair.serverData == Array("question".utf8))
  }

  // Goal: the limit holds for a client that has not seen SETTINGS yet. Method: all requests leave before the
  // server's first byte arrives.
  @Test("streams beyond the limit are refused even before the client knows the limit")
  func concurrencyLimit() throws {
    var settings = HTTP2Settings()
    settings.concurrentStreamsMax = 2
    let pair = try EnginePair(server: settings)
    for _ in 0..<3 { _ = try pair.client.open(request, isEnd: true) }
    try pair.exchange()
    #expect(pair.serverSlots(.head).count == 2)
    #expect(pair.clientEvents.filter { $0.kind == .closed }.map(\.code) == [.refusedStream])
  }

  @Test("a head of exactly the permitted size passes, one byte more is marked", arguments: [0, 1])
  func headerListLimit(excess: Int) throws {
    let pair = try EnginePair()
    let limit = HTTP2Settings().headerListBytesMax
    var headers = request
    let room = limit - headers.listBytes - 32 - "x".utf8.count
    headers.append("x", String(repeating: "v", count: room + excess))
    _ = try pair.client.open(headers, isEnd: true)
    try pair.exchange()
    #expect(pair.serverSlots(.head).count == (excess == 0 ? 1 : 0))
    #expect(pair.serverSlots(.oversizedHead).count == (excess == 0 ? 0 : 1))
  }

  @Test("a head of exactly the permitted number of fields passes, one more is marked", arguments: [0, 1])
  func headerFieldLimit(excess: Int) throws {
    let pair = try EnginePair()
    var headers = request
    for number in 0..<HTTP2Settings().headerFieldsMax - 5 + excess { headers.append("x-\(number)", "v") }
    _ = try pair.client.open(headers, isEnd: true)
    try pair.exchange()
    #expect(pair.serverSlots(.head).count == (excess == 0 ? 1 : 0))
    #expect(pair.serverSlots(.oversizedHead).count == (excess == 0 ? 0 : 1))
  }

  @Test("trailers of exactly the permitted size pass, one byte more is marked", arguments: [0, 1])
  func trailerLimit(excess: Int) throws {
    let pair = try EnginePair()
    let slot = try pair.client.open(request, isEnd: false)
    pair.client.send(slot, [1])
    let room = HTTP2Settings().headerListBytesMax - 32 - "x".utf8.count
    try pair.client.finish(slot, trailers: HeaderList([("x", String(repeating: "v", count: room + excess))]))
    try pair.exchange()
    #expect(pair.serverSlots(.trailers).count == (excess == 0 ? 1 : 0))
    #expect(pair.serverSlots(.oversizedTrailers).count == (excess == 0 ? 0 : 1))
  }

  @Test("received bytes come back to the sender's window when they are consumed, not before")
  func flowControl() throws {
    var settings = HTTP2Settings()
    settings.streamWindowBytes = 64 << 10
    let pair = try EnginePair(server: settings)
    try pair.exchange()
    let slot = try pair.client.open(request, isEnd: false)
    pair.client.send(slot, Array(repeating: 7, count: 100 << 10))
    pair.client.finish(slot)
    try pair.exchange()
    #expect(pair.serverData.count == 64 << 10)
    #expect(pair.client.queuedBytes == 36 << 10)

    pair.server.consume(try #require(pair.serverSlots(.head).first), 64 << 10)
    try pair.exchange()
    #expect(pair.serverData.count == 100 << 10)
    #expect(pair.client.queuedBytes == 0)
  }

  @Test("what a burst of heads took up is given back, and the next head is read all the same")
  func headMemory() throws {
    let pair = try EnginePair()
    try pair.exchange()
    var large = request
    large.append("x", String(repeating: "~", count: 15 << 10))
    for _ in 0..<8 { _ = try pair.client.open(large, isEnd: true) }
    try pair.deliverToServer(try pair.bytes(of: pair.client))
    #expect(pair.serverHeaders.count == 8)
    #expect(pair.server.block.bytes.isEmpty)
    #expect(pair.server.block.bytes.capacity <= 64 << 10)
    _ = try pair.client.open(request, isEnd: true)
    try pair.exchange()
    #expect(pair.serverHeaders.last == request)
  }

  @Test("after the last GOAWAY no stream begins, and the peer knows what was not processed")
  func goAway() throws {
    let pair = try EnginePair()
    _ = try pair.client.open(request, isEnd: true)
    try pair.exchange()
    pair.server.announceGoAway()
    try pair.exchange()
    #expect(pair.clientEvents.contains { $0.kind == .goAway })
    #expect(!pair.clientEvents.contains { $0.kind == .closed })

    pair.server.goAway(.noError)
    _ = try pair.client.open(request, isEnd: true)
    try pair.exchange()
    #expect(pair.serverSlots(.head).count == 1)
    #expect(pair.clientEvents.filter { $0.kind == .closed }.map(\.code) == [.refusedStream])
  }

  @Test("a client that opens and resets streams without end loses the connection")
  func rapidReset() throws {
    var settings = HTTP2Settings()
    settings.peerResetsBurst = 10
    settings.peerResetsPerSecond = 1
    let pair = try EnginePair(server: settings)
    try pair.exchange()
    for _ in 0..<12 {
      let slot = try pair.client.open(request, isEnd: false)
      let opened = try pair.bytes(of: pair.client)
      try pair.deliverToServer(opened)
      pair.client.reset(slot, .cancel)
      let reset = try pair.bytes(of: pair.client)
      try pair.deliverToServer(reset)
    }
    _ = try pair.bytes(of: pair.server)
    #expect(!pair.server.isAlive)
  }

  /// Opens a stream for each frame, appends the frame and tells whether the server has had enough.
  private func isMisbehaviour(frames: Int, _ frame: (_ id: UInt8) -> [UInt8]) throws -> Bool {
    var settings = HTTP2Settings()
    settings.oddFramesMax = 10
    let pair = try EnginePair(server: settings)
    try pair.exchange()
    for number in 0..<frames {
      _ = try pair.client.open(request, isEnd: false)
      var bytes = try pair.bytes(of: pair.client)
      bytes.writeBytes(frame(UInt8(2 * number + 1)))
      try pair.deliverToServer(bytes)
      _ = try pair.bytes(of: pair.server)
    }
    pair.collectServer(nil)
    return pair.serverEvents.contains { $0.kind == .misbehaved }
  }

  @Test("a client that sends DATA of nothing but padding without end is noticed", arguments: [9, 10])
  func emptyData(frames: Int) throws {
    let isNoticed = try isMisbehaviour(frames: frames) { [0, 0, 2, 0, 0x8, 0, 0, 0, $0, 1, 0] }
    #expect(isNoticed == (frames == 10))
    let isNoticedWithByte = try isMisbehaviour(frames: frames) { [0, 0, 3, 0, 0x8, 0, 0, 0, $0, 1, 7, 0] }
    #expect(!isNoticedWithByte)
  }

  // Goal: CVE-2025-8671. Method: a window update that overflows the stream's window is valid in itself, and nghttp2
  // must reset the stream for it.
  @Test("a client that provokes resets without end is noticed")
  func madeYouReset() throws {
    let isNoticed = try isMisbehaviour(frames: 10) { [0, 0, 4, 0x8, 0, 0, 0, 0, $0, 0x7F, 0xFF, 0xFF, 0xFF] }
    #expect(isNoticed)
  }

  @Test("heads so large that their streams are reset count as provoked resets", arguments: [9, 10])
  func excessiveHeads(heads: Int) throws {
    var settings = HTTP2Settings()
    settings.oddFramesMax = 10
    settings.headerListBytesMax = 1 << 10
    let pair = try EnginePair(server: settings)
    var large = request
    large.append("x", String(repeating: "v", count: 5 << 10))
    for _ in 0..<heads { _ = try pair.client.open(large, isEnd: true) }
    try pair.exchange()
    #expect(pair.serverEvents.contains { $0.kind == .misbehaved } == (heads == 10))
  }

  @Test("resets that the handler asks for are not held against the client")
  func ownResets() throws {
    var settings = HTTP2Settings()
    settings.oddFramesMax = 10
    let pair = try EnginePair(server: settings)
    for _ in 0..<20 {
      _ = try pair.client.open(request, isEnd: false)
      try pair.exchange()
      pair.server.reset(try #require(pair.serverSlots(.head).last), .cancel)
      try pair.exchange()
    }
    #expect(!pair.serverEvents.contains { $0.kind == .misbehaved })
    #expect(pair.clientEvents.filter { $0.kind == .closed }.map(\.code) == Array(repeating: .cancel, count: 20))
  }

  @Test("bytes that are no HTTP/2 are refused")
  func notHTTP2() throws {
    let pair = try EnginePair()
    #expect(throws: HTTP2Failure.self) {
      try pair.deliverToServer(ByteBuffer(string: "GET / HTTP/1.1\r\nhost: a\r\n\r\n"))
    }
  }
}
