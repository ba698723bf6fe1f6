import Synchronization
import Testing

@testable import HTTP2
@testable import Transport

@Suite("Streams are used again, but only by one call at a time")
struct StreamReuseTests {
  /// Answers every call; `note` sees its stream first.
  private func server(_ note: @escaping @Sendable (HTTP2Stream, Int) -> Void) throws -> EmbeddedConnection {
    let embedded = try EmbeddedConnection(server: ConnectionConfiguration()) { stream, number in
      note(stream, number)
      stream.send(headers: HeaderList([(":status", "200")]))
      stream.send([UInt8(number)])
      stream.finish()
    }
    try embedded.send(EmbeddedConnection.greeting)
    _ = try embedded.frames()
    return embedded
  }

  private func call(_ id: Int32, _ embedded: EmbeddedConnection) throws -> [[UInt8]] {
    try embedded.send(EmbeddedConnection.request(id))
    return try embedded.frames(RawFrame.data).filter { $0.id == id }.map(\.payload)
  }

  @Test("one that nobody holds serves the next call, as if it were new")
  func again() throws {
    let seen = Mutex<[(ObjectIdentifier, isNew: Bool)]>([])
    let embedded = try server { stream, _ in
      let isNew = stream.isOpen && stream.isPeerDone && stream.unreadBytes == 0 && stream.lag == .zero
      seen.withLock { $0.append((ObjectIdentifier(stream), isNew)) }
    }
    for id in [1, 3, 5] as [Int32] { #expect(try call(id, embedded).first == [UInt8(id / 2 + 1)]) }
    #expect(seen.withLock { Set($0.map(\.0)).count == 1 && $0.allSatisfy(\.isNew) })
  }

  // Goal: whoever keeps a stream beyond its end writes into no other call. Method: the first call's stream is kept and
  // written to while the second is open.
  @Test("one that somebody holds is left to him, and does nothing")
  func held() throws {
    let kept = Mutex<[HTTP2Stream]>([])
    let embedded = try server { stream, number in
      if number == 1 { kept.withLock { $0.append(stream) } }
    }
    _ = try call(1, embedded)
    try embedded.send(EmbeddedConnection.request(3, isEnd: false))
    let first = try #require(kept.withLock { $0.first })
    #expect(!first.isOpen)
    first.send([99])
    first.reset(.cancel)
    first.finish()
    #expect(try embedded.frames().isEmpty)
    try embedded.send(RawFrame.bytes(RawFrame.data, flags: 1, id: 3))
    #expect(try embedded.frames(RawFrame.data).map(\.payload).first == [2])
  }

  @Test("what is kept for the next calls does not keep its connection")
  func end() throws {
    weak var connection: HTTP2Connection?
    do {
      let embedded = try server { _, _ in }
      connection = embedded.connection
      #expect(try call(1, embedded).count == 1)
      #expect(connection != nil)
    }
    #expect(connection == nil)
  }
}
