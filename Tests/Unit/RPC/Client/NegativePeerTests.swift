import NIOCore
import Synchronization
import Testing

@testable import HTTP2
@testable import RPC
@testable import Transport

/// The negative HTTP/2 cases of gRPC's interoperability tests: servers that end connections and streams at every
/// inconvenient moment.
@Suite("Servers that misbehave", .timeLimit(.minutes(1)))
struct NegativePeerTests {
  private static let half = [UInt8](Framing.frame([1, 2, 3, 4]).prefix(7))

  private func status(_ channel: RPCChannel, _ message: [UInt8] = []) async -> RPCError? {
    do {
      _ = try await channel.unary(ProbeService.call, message, options: CallOptions(retry: .none))
      return nil
    } catch {
      return error as? RPCError
    }
  }

  /// "goaway": the connection is sent away after each answer; every call is answered, each on a new connection.
  @Test("GOAWAY behind an answer costs no call")
  func goAway() async throws {
    let peers = Mutex<Set<String>>([])
    try await StreamPeer.with { call, moment in
      guard case .end = moment else { return }
      peers.withLock { _ = $0.insert(call.stream.peer) }
      call.head()
      call.send([1])
      call.succeed()
      call.stream.drainConnection()
    } _: { channel, _ in
      for _ in 0..<5 { #expect(await status(channel) == nil) }
      #expect(peers.withLock { $0.count } == 5)
    }
  }

  /// "rst_after_header", "rst_during_data", "rst_after_data".
  @Test("a stream that is reset after the head, inside a message or behind it has failed", arguments: 0...2)
  func reset(step: Int) async throws {
    try await StreamPeer.with { call, moment in
      guard case .end = moment else { return }
      call.head()
      if step == 1 { call.stream.send(Self.half) }
      if step == 2 { call.send([1, 2, 3, 4]) }
      call.stream.resetWhenSent(.internalError)
    } _: { channel, _ in
      #expect(await status(channel)?.code == .internal)
      try await channel.stream(StreamCallTests.download) { requests, responses in
        try await requests.finish()
        var answers = responses.makeAsyncIterator()
        if step == 2 {
          let message = try await answers.next()
          #expect(message == [1, 2, 3, 4])
        }
        let error = await #expect(throws: RPCError.self) { try await answers.next() }
        #expect(error?.code == .internal)
      }
    }
  }

  /// "ping": a server that pings all the time is answered, and calls go on.
  @Test("pings between the messages disturb nobody")
  func ping() async throws {
    try await StreamPeer.with { call, moment in
      guard case .end = moment else { return }
      call.stream.pingConnection()
      call.head()
      call.stream.pingConnection()
      call.send([1])
      call.stream.pingConnection()
      call.succeed()
    } _: { channel, _ in
      for _ in 0..<10 { #expect(await status(channel) == nil) }
    }
  }

  /// "max_streams": one stream at a time, and ten calls at once.
  @Test("calls take turns on a connection with one stream")
  func maxStreams() async throws {
    var settings = ConnectionConfiguration()
    settings.http2.concurrentStreamsMax = 1
    let (open, finished) = (Counter(), Counter())
    let most = Mutex(0)
    try await StreamPeer.with(settings: settings) { call, moment in
      switch moment {
      case .head:
        let now = open.increment() - finished.count
        most.withLock { $0 = max($0, now) }
      case .end:
        finished.increment()
        call.head()
        call.send([1])
        call.succeed()
      default: break
      }
    } _: { channel, peer in
      await withTaskGroup { group in
        for _ in 0..<10 { group.addTask { #expect(await status(channel) == nil) } }
      }
      #expect(most.withLock { $0 } == 1)
      #expect(peer.calls.count == 10)
    }
  }

  @Test("a message in pieces of one byte is a message")
  func crumbs() async throws {
    try await StreamPeer.with { call, moment in
      guard case .end = moment else { return }
      call.head()
      for byte in Framing.frame([1, 2, 3, 4]) { call.stream.send([byte]) }
      call.succeed()
    } _: { channel, _ in
      let answer = try await channel.unary(ProbeService.call, [])
      #expect(answer == [1, 2, 3, 4])
    }
  }

  @Test("an answer that ends inside a message is none")
  func truncated() async throws {
    try await StreamPeer.with { call, moment in
      guard case .end = moment else { return }
      call.head()
      call.stream.send(Self.half)
      call.succeed()
    } _: { channel, _ in
      #expect(await status(channel)?.code == .internal)
      let error = await #expect(throws: RPCError.self) {
        try await channel.stream(StreamCallTests.download) { requests, responses in
          try await requests.finish()
          for try await _ in responses {}
        }
      }
      #expect(error?.code == .internal)
    }
  }

  @Test("a server that answers early and never reads does not keep the stream")
  func unreadRequest() async throws {
    var settings = ConnectionConfiguration()
    settings.http2.concurrentStreamsMax = 1
    settings.http2.streamWindowBytes = 64 << 10
    try await StreamPeer.with(settings: settings, takesMessages: false) { call, moment in
      if case .head = moment { call.fail(RPCError(.permissionDenied, "no")) }
    } _: { channel, _ in
      let large = [UInt8](repeating: 0, count: 1 << 20)
      // The second call needs the stream of the first.
      for _ in 0..<2 { #expect(await status(channel, large)?.code == .permissionDenied) }
    }
  }
}

extension HTTP2Stream {
  /// GOAWAY on the stream's connection.
  func drainConnection() { home.drain() }
  func pingConnection() { home.engine.ping(.keepalive) }

  /// RST_STREAM once what was sent is out: nghttp2 drops what is queued when a stream is reset.
  func resetWhenSent(_ code: HTTP2ErrorCode) {
    eventLoop.execute { self.eventLoop.execute { self.reset(code) } }
  }
}
