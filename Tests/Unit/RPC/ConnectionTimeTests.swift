import NIOCore
import NIOEmbedded
import Testing

@testable import HTTP2
@testable import Transport

/// What a connection does because time passes. The clock is the test's; limits are kept to within a second.
@Suite("Connections in time")
struct ConnectionTimeTests {
  private static let justUnder = TimeAmount.milliseconds(-100)
  private static let justOver = TimeAmount.milliseconds(1_100)

  private func server(
    _ configure: (inout ConnectionConfiguration) -> Void = { _ in },
    script: @escaping @Sendable (HTTP2Stream, Int) -> Void = { _, _ in }
  ) throws -> EmbeddedConnection {
    var configuration = ConnectionConfiguration()
    configure(&configuration)
    return try EmbeddedConnection(server: configuration, script: script)
  }

  @Test(
    "a client has ten seconds for its preface and SETTINGS",
    arguments: [[], Array(EmbeddedConnection.preface.prefix(10)), EmbeddedConnection.preface])
  func handshake(sent: [UInt8]) throws {
    let embedded = try server()
    try embedded.send(sent)
    embedded.advance(.seconds(10) + ConnectionTimeTests.justUnder)
    #expect(embedded.isOpen)
    embedded.advance(ConnectionTimeTests.justOver)
    #expect(!embedded.isOpen)
  }

  @Test("whoever has sent SETTINGS may stay")
  func greeted() throws {
    let embedded = try server()
    try embedded.send(EmbeddedConnection.preface, EmbeddedConnection.settings)
    embedded.advance(.seconds(60))
    #expect(embedded.isOpen)
  }

  @Test("a server has as long for its SETTINGS")
  func clientHandshake() throws {
    let embedded = try EmbeddedConnection(client: ConnectionConfiguration())
    embedded.advance(.seconds(10) + ConnectionTimeTests.justUnder)
    #expect(embedded.isOpen)
    embedded.advance(ConnectionTimeTests.justOver)
    #expect(!embedded.isOpen)
  }

  // Goal: a head must not be fed byte by byte for ever. Method: heads that are cut in their frame, and between frames.
  @Test(
    "a block of header fields has ten seconds",
    arguments: [
      Array(EmbeddedConnection.request(1).dropLast()), Array(EmbeddedConnection.request(1).prefix(9)),
      RawFrame.bytes(RawFrame.headers, id: 1, EmbeddedConnection.block),
      RawFrame.bytes(RawFrame.headers, id: 1, [0]) + Array(RawFrame.bytes(RawFrame.continuation, id: 1, [1]).prefix(9)),
    ])
  func slowBlock(sent: [UInt8]) throws {
    let embedded = try server()
    try embedded.send(EmbeddedConnection.greeting)
    try embedded.send(sent)
    _ = try embedded.frames()
    embedded.advance(.seconds(10) + ConnectionTimeTests.justUnder)
    #expect(try embedded.frames(RawFrame.goAway).isEmpty)
    embedded.advance(.seconds(2))
    #expect(try embedded.frames(RawFrame.goAway).map(\.code) == [.enhanceYourCalm])
    #expect(!embedded.isOpen)
  }

  @Test("blocks that come to an end are not slow, however often one is found incomplete")
  func blocksInTime() throws {
    let embedded = try server()
    try embedded.send(EmbeddedConnection.greeting)
    for id in stride(from: Int32(1), to: 61, by: 2) {
      let request = EmbeddedConnection.request(id)
      try embedded.send(Array(request.prefix(20)))
      embedded.advance(.seconds(1))
      try embedded.send(Array(request.dropFirst(20)))
    }
    #expect(embedded.isOpen)
    #expect(embedded.streams.count == 30)
  }

  @Test("a connection without streams is ended after its time")
  func idle() throws {
    let embedded = try server()
    try embedded.send(EmbeddedConnection.greeting)
    _ = try embedded.frames()
    embedded.advance(.minutes(5) + ConnectionTimeTests.justUnder)
    #expect(try embedded.frames(RawFrame.goAway).isEmpty)
    embedded.advance(ConnectionTimeTests.justOver)
    #expect(try embedded.frames(RawFrame.goAway).map(\.lastStream) == [.max])
  }

  @Test("a connection with a stream is not idle")
  func notIdle() throws {
    let embedded = try server()
    try embedded.send(EmbeddedConnection.greeting, EmbeddedConnection.request(1, isEnd: false))
    embedded.advance(.hours(1))
    #expect(try embedded.frames(RawFrame.goAway).isEmpty)
  }

  // Goal: whoever opens no window keeps no handler waiting. Method: an answer of 64 KiB against a window of nothing.
  @Test("an answer that nobody takes costs its stream", arguments: [0, 1, 4_095, 4_096] as [UInt32])
  func stalledStream(progress: UInt32) throws {
    let embedded = try server {
      $0.writeStallTimeout = .seconds(30)
    } script: { stream, _ in
      stream.send(headers: HeaderList([(":status", "200")]))
      stream.send([UInt8](repeating: 7, count: 64 << 10))
      stream.finish()
    }
    try embedded.send(
      EmbeddedConnection.preface, EmbeddedConnection.windowSetting(0), EmbeddedConnection.request(1))
    embedded.advance(.seconds(29))
    if progress > 0 { try embedded.send(EmbeddedConnection.windowUpdate(1, progress)) }
    #expect(try embedded.frames(RawFrame.reset).isEmpty)
    embedded.advance(.seconds(3))
    let resets = try embedded.frames(RawFrame.reset).map(\.code)
    #expect(resets == (progress < 4_096 ? [.enhanceYourCalm] : []))
    #expect(embedded.isOpen)
  }

  @Test("an answer that is taken in time is no stall, and its wait does not count for the next")
  func noStall() throws {
    let embedded = try server { _ in
    } script: { stream, _ in
      stream.send(headers: HeaderList([(":status", "200")]))
      stream.send([UInt8](repeating: 7, count: 100))
      stream.finish()
    }
    try embedded.send(EmbeddedConnection.preface, EmbeddedConnection.windowSetting(0))
    for id in stride(from: Int32(1), to: 21, by: 2) {
      try embedded.send(EmbeddedConnection.request(id))
      embedded.advance(.seconds(20))
      try embedded.send(EmbeddedConnection.windowUpdate(id, 100))
    }
    let frames = try embedded.frames()
    #expect(frames.filter { $0.type == RawFrame.reset }.isEmpty)
    #expect(frames.filter { $0.type == RawFrame.data && $0.payload.count == 100 }.count == 10)
  }

  @Test("a peer that does not read loses the connection")
  func stalledWrite() throws {
    let embedded = try server()
    try embedded.send(EmbeddedConnection.greeting)
    embedded.channel.isWritable = false
    embedded.advance(.seconds(30))
    #expect(embedded.isOpen)
    embedded.channel.isWritable = true
    embedded.advance(.seconds(10))
    embedded.channel.isWritable = false
    embedded.advance(.seconds(30))
    #expect(embedded.isOpen)
    embedded.advance(.seconds(2))
    #expect(!embedded.isOpen)
  }

  @Test("a connection grows old, give or take a tenth, and then has its grace")
  func age() throws {
    let embedded = try server {
      $0.idleTimeout = nil
      $0.connectionAgeMax = .seconds(1_000)
      $0.connectionAgeGrace = .seconds(60)
    }
    try embedded.send(EmbeddedConnection.greeting, EmbeddedConnection.request(1))
    embedded.advance(.seconds(899))
    #expect(try embedded.frames(RawFrame.goAway).isEmpty)
    var waited = 899
    while try embedded.frames(RawFrame.goAway).isEmpty, waited < 2_000 {
      embedded.advance(.seconds(1))
      waited += 1
    }
    #expect((900...1_101).contains(waited))
    embedded.advance(.seconds(59))
    #expect(embedded.isOpen)
    embedded.advance(.seconds(2))
    #expect(!embedded.isOpen)
  }

  // MARK: Drain

  @Test("a drain announces itself, waits until nothing can be under way any more, and then names the last stream")
  func drain() throws {
    let embedded = try server()
    try embedded.send(EmbeddedConnection.greeting, EmbeddedConnection.request(1))
    _ = try embedded.frames()
    embedded.connection.drain()
    let announced = try embedded.frames()
    #expect(announced.filter { $0.type == RawFrame.goAway }.map(\.lastStream) == [.max])
    let ping = try #require(announced.first { $0.type == RawFrame.ping })

    // Streams that were under way are still taken, and answers to other pings mean nothing.
    try embedded.send(EmbeddedConnection.request(3))
    try embedded.send(RawFrame.bytes(RawFrame.ping, flags: 1, Array("12345678".utf8)))
    #expect(try embedded.frames(RawFrame.goAway).isEmpty)
    #expect(embedded.streams.count == 2)

    // A client answers a PING ahead of the requests that it had begun.
    try embedded.send(EmbeddedConnection.pong(ping))
    try embedded.send(EmbeddedConnection.request(5))
    let second = try embedded.frames()
    #expect(second.allSatisfy { $0.type != RawFrame.goAway })
    #expect(embedded.streams.count == 3)

    try embedded.send(EmbeddedConnection.pong(try #require(second.first { $0.type == RawFrame.ping })))
    #expect(try embedded.frames(RawFrame.goAway).map(\.lastStream) == [5])
    try embedded.send(EmbeddedConnection.request(7))
    #expect(embedded.streams.count == 3)
    #expect(embedded.isOpen)
  }

  @Test("a stream that is read together with the last answer is named and served")
  func drainAndLastStream() throws {
    let embedded = try server()
    try embedded.send(EmbeddedConnection.greeting)
    embedded.connection.drain()
    try embedded.send(EmbeddedConnection.pong(try #require(try embedded.frames(RawFrame.ping).first)))
    let second = try #require(try embedded.frames(RawFrame.ping).first)
    try embedded.send(EmbeddedConnection.pong(second), EmbeddedConnection.request(1))
    #expect(try embedded.frames(RawFrame.goAway).map(\.lastStream) == [1])
    #expect(embedded.streams.count == 1)
    #expect(embedded.isOpen)
  }

  @Test("a connection that is given up takes no stream, not even one that it reads along with the reason")
  func streamsAfterGivingUp() throws {
    let embedded = try server {
      $0.pingPolicy = PingPolicy(intervalMin: .seconds(300), permitsWithoutCalls: true, strikesMax: 0)
    }
    try embedded.send(EmbeddedConnection.greeting, EmbeddedConnection.request(1))
    let pings = Array(repeating: EmbeddedConnection.ping, count: 4).flatMap(\.self)
    try embedded.send(pings, EmbeddedConnection.request(3))
    #expect(embedded.streams.count == 1)
    #expect(try embedded.frames(RawFrame.goAway).map(\.debugText) == ["too_many_pings"])
    #expect(!embedded.isOpen)
  }

  @Test("the answer to a keepalive ping does not end a drain's wait")
  func drainAndKeepalive() throws {
    let embedded = try server {
      $0.keepalive = KeepaliveConfiguration(time: .seconds(5), timeout: .seconds(60), permitsWithoutCalls: true)
    }
    try embedded.send(EmbeddedConnection.greeting, EmbeddedConnection.request(1))
    embedded.advance(.seconds(7))
    let keepalive = try #require(try embedded.frames(RawFrame.ping).first)
    embedded.connection.drain()
    _ = try embedded.frames()
    try embedded.send(EmbeddedConnection.pong(keepalive))
    #expect(try embedded.frames(RawFrame.goAway).isEmpty)
  }

  @Test("a peer that never answers the drain's ping has the handshake's time")
  func silentDrain() throws {
    let embedded = try server()
    try embedded.send(EmbeddedConnection.greeting, EmbeddedConnection.request(1))
    embedded.connection.drain()
    _ = try embedded.frames()
    embedded.advance(.seconds(9))
    #expect(try embedded.frames(RawFrame.goAway).isEmpty)
    embedded.advance(.seconds(2))
    #expect(try embedded.frames(RawFrame.goAway).map(\.lastStream) == [1])
  }

  @Test("a drained connection ends with its last stream")
  func drainEnds() throws {
    let embedded = try server { _ in
    } script: { stream, _ in
      stream.send(headers: HeaderList([(":status", "200")]), isEnd: true)
    }
    try embedded.send(EmbeddedConnection.greeting, EmbeddedConnection.request(1, isEnd: false))
    embedded.connection.drain()
    for _ in 1...2 {
      let ping = try #require(try embedded.frames(RawFrame.ping).first)
      try embedded.send(EmbeddedConnection.pong(ping))
    }
    #expect(embedded.isOpen)
    try embedded.send(RawFrame.bytes(RawFrame.data, flags: 1, id: 1))
    #expect(!embedded.isOpen)
  }
}
