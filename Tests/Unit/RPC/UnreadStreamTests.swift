import NIOCore
import NIOEmbedded
import Synchronization
import Testing

@testable import HTTP2
@testable import RPC
@testable import Transport

@Suite("Streams that nobody reads do not hold up the others", .timeLimit(.minutes(1)))
struct UnreadStreamTests {
  /// Takes what it is told to take.
  private final class Reader: StreamHandler {
    private let held = Mutex(0)
    private let end = Mutex<StreamClosure?>(nil)

    var closure: StreamClosure? { end.withLock { $0 } }

    func received(headers: HeaderList, isEnd: Bool) {}
    func receivedOversizedHeaders(isEnd: Bool) {}
    func received(data bytes: RawSpan, isEnd: Bool) {
      let count = bytes.byteCount
      held.withLock { $0 += count }
    }
    func received(trailers: HeaderList) {}
    func closed(_ reason: StreamClosure) { end.withLock { $0 = reason } }

    func take(_ stream: HTTP2Stream) {
      let count = held.withLock { held in
        defer { held = 0 }
        return held
      }
      stream.consumed(count)
    }
  }

  /// A client with two streams whose answers have begun.
  private struct Client {
    let embedded: EmbeddedConnection
    let readers = [Reader(), Reader()]
    var streams: [HTTP2Stream] = []

    init(unreadBytesMax: Int) throws {
      var configuration = ConnectionConfiguration(idleTimeout: nil)
      configuration.unreadBytesMax = unreadBytesMax
      embedded = try EmbeddedConnection(client: configuration)
      try embedded.send(EmbeddedConnection.settings, EmbeddedConnection.acknowledged)
      for (number, reader) in readers.enumerated() {
        streams.append(
          try embedded.connection.open(RawClient.headers(), body: [], handler: reader))
        _ = try embedded.frames()
        try embedded.send(RawFrame.bytes(RawFrame.headers, flags: 4, id: Int32(2 * number + 1), [0x88]))
      }
      _ = try embedded.frames()
    }

    func receive(_ count: Int, on number: Int) throws {
      try embedded.send(RawFrame.bytes(RawFrame.data, id: Int32(2 * number + 1), .init(repeating: 1, count: count)))
    }

    var lentBytes: Int { embedded.connection.lentBytes }
  }

  @Test("what is kept unread counts against a bound of its own first, and against the connection's window beyond it")
  func lending() throws {
    let client = try Client(unreadBytesMax: 20_000)
    try client.receive(15_000, on: 0)
    #expect(client.lentBytes == 15_000)
    try client.receive(15_000, on: 1)
    #expect(client.lentBytes == 20_000)
    client.readers[0].take(client.streams[0])
    #expect(client.lentBytes == 5_000)
    try client.receive(1, on: 1)
    #expect(client.lentBytes == 15_001, "what did not fit before does now")
    client.readers[1].take(client.streams[1])
    #expect(client.lentBytes == 0)
    #expect(client.embedded.connection.openedStreams.allSatisfy { $0.unreadBytes == 0 })
  }

  @Test("once the bound is reached, a stream from which nothing was read for thirty seconds ends; others go on")
  func eviction() throws {
    let client = try Client(unreadBytesMax: 20_000)
    try client.receive(12_000, on: 0)
    client.embedded.advance(.seconds(20))
    try client.receive(12_000, on: 1)
    client.readers[1].take(client.streams[1])
    try client.receive(12_000, on: 1)
    #expect(client.lentBytes == 20_000)
    client.embedded.advance(.seconds(9))
    #expect(client.readers[0].closure == nil)
    client.embedded.advance(.seconds(2))
    #expect(try client.embedded.frames(RawFrame.reset).map(\.id) == [1])
    #expect(client.readers[0].closure == .unread)
    client.readers[0].take(client.streams[0])
    #expect(client.lentBytes == 8_000)
    client.embedded.advance(.seconds(600))
    #expect(client.readers[1].closure == nil, "nobody else needs the room")
  }

  @Test("below the bound nobody is ended, however long nothing is read")
  func patience() throws {
    let client = try Client(unreadBytesMax: 20_000)
    try client.receive(15_000, on: 0)
    client.embedded.advance(.hours(1))
    #expect(client.readers[0].closure == nil)
  }

  @Test("without a bound of its own the connection feels it at once")
  func off() throws {
    let client = try Client(unreadBytesMax: 0)
    try client.receive(15_000, on: 0)
    #expect(client.lentBytes == 0)
    client.embedded.advance(.hours(1))
    #expect(client.readers[0].closure == nil)
  }

  // Method: six answers of more than their stream's window, so that together they would take up the connection's whole
  // window and more; then calls whose answers need that window many times over.
  @Test("neighbours of calls whose answers nobody reads are answered")
  func neighbours() async throws {
    let piece = [UInt8](repeating: 1, count: 1 << 20)
    let script: @Sendable (StreamPeer.Call, StreamPeer.Moment) -> Void = { call, moment in
      switch moment {
      case .head(let headers):
        call.head()
        guard headers.first(":path") == StreamCallTests.download.path else { return }
        for _ in 0..<5 { call.send(piece) }
      case .message(let message): if message.count > 1 { call.send(message) }
      case .end: call.succeed()
      case .closed: break
      }
    }
    try await StreamPeer.with(script) { channel, _ in
      let done = Event()
      try await withThrowingTaskGroup(of: Int.self) { group in
        let begun = Counter()
        for _ in 0..<6 {
          group.addTask {
            try await channel.stream(StreamCallTests.download) { requests, answers in
              try await requests.write([0])
              try await requests.finish()
              _ = try await answers.headers
              begun.increment()
              await done.wait()
              var count = 0
              for try await answer in answers { count += answer.count }
              return count
            }
          }
        }
        while begun.count < 6 { await Task.yield() }
        for _ in 0..<20 {
          let answer = try await channel.stream(StreamCallTests.bidirectional) { requests, responses in
            try await requests.write(piece)
            try await requests.finish()
            var count = 0
            for try await answer in responses { count += answer.count }
            return count
          }
          #expect(answer == piece.count)
        }
        done.happen()
        for try await count in group { #expect(count == 5 * piece.count) }
      }
    }
  }
}
