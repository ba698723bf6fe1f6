import Kernel
import Testing

@testable import HTTP2
@testable import RPC
@testable import Transport

@Suite("Backpressure on streams of a server", .timeLimit(.minutes(1)))
struct StreamPressureTests {
  private static let window = HTTP2Settings().streamWindowBytes
  private static let connectionWindow = HTTP2Settings().connectionWindowBytes

  // Goal: the peer's window comes back with the messages that the handler takes, not before. Method: more than the
  // window is sent to a handler that takes nothing until it is told to; meanwhile other calls pass many times.
  @Test("a handler that does not read stops its sender")
  func slowHandler() async throws {
    let (mayRead, readAll) = (Event(), Event())
    try await StreamProbe.with(answer: { requests, _, _ in
      await mayRead.wait()
      while try await requests.next() != nil {}
      readAll.happen()
    }) { client in
      let call = try await client.stream(path: StreamProbe.client)
      let message = [UInt8](repeating: 7, count: 1 << 20)
      for _ in 0...StreamPressureTests.window >> 20 { call.send(message) }
      let isSent = Event()
      async let sent: Void = {
        await call.drain()
        isSent.happen()
      }()
      for _ in 0..<100 { _ = try await client.call(RawClient.headers(), body: Framing.frame([])) }
      #expect(!isSent.hasHappened)
      mayRead.happen()
      await sent
      call.finish()
      await readAll.wait()
    }
  }

  // Goal: a handler does not run ahead of its reader. Method: when the client has received its whole window it can
  // receive nothing more, so what the handler has written beyond it is what the server holds.
  @Test("a handler that writes waits for a client that does not read")
  func slowClient() async throws {
    let written = Counter()
    let pieces = 512
    let piece = [UInt8](repeating: 1, count: (32 << 10) - 5)
    try await StreamProbe.with(answer: { _, responses, _ in
      for _ in 0..<pieces {
        try await responses.write(piece)
        written.increment()
      }
    }) { client in
      let call = try await client.stream(path: StreamProbe.server, consumes: false)
      call.send([], isEnd: true)
      _ = await call.bodyBytes(StreamPressureTests.window)
      let held = written.count * (32 << 10) - StreamPressureTests.window
      #expect(held <= Limits.unsentBytesMax + (32 << 10))
      call.consume()
      let answer = await call.end()
      #expect(answer.body.count == pieces * (32 << 10))
      #expect(answer.grpcStatus == "0")
    }
  }

  @Test("a message larger than the window arrives")
  func largeMessage() async throws {
    let message = [UInt8](repeating: 3, count: StreamPressureTests.window * 2)
    try await StreamProbe.with(
      limits: { $0.messageBytesMax = message.count }, answer: StreamTests.echo
    ) { client in
      let call = try await client.stream(path: StreamProbe.both)
      call.send(message, isEnd: true)
      let answer = await call.end()
      #expect(answer.messages == [message])
    }
  }

  // Goal: bytes that nobody takes are given back to the connection. Method: more of them than its window, then a call
  // that needs a good part of that window.
  @Test(
    "what a handler leaves unread does not use up the connection's window",
    arguments: [StreamClosure.reset(.noError), .reset(.cancel)])
  func discarded(closure: StreamClosure) async throws {
    let mayReturn = Event()
    try await StreamProbe.with(answer: { requests, _, _ in
      _ = try await requests.next()
      if closure == .reset(.cancel) { try await Task.sleep(for: .seconds(3_600)) }
    }) { client in
      let half = [UInt8](repeating: 7, count: StreamPressureTests.window / 2 - 5)
      for _ in 0..<2 * StreamPressureTests.connectionWindow / StreamPressureTests.window {
        let call = try await client.stream(path: StreamProbe.both)
        call.send(half)
        call.send(half)
        if closure == .reset(.cancel) {
          await call.drain()
          call.reset()
        }
        #expect(await call.end().closure == closure)
      }
      mayReturn.happen()
      let body = Framing.frame([UInt8](repeating: 1, count: StreamPressureTests.window - 5))
      #expect(try await client.call(RawClient.headers(), body: body).grpcStatus == "0")
    }
  }

  @Test("a stream takes its messages one by one, and gives back what it took")
  func flow() throws {
    let flow = StreamFlow(isRequestDone: false)
    var assembler = MessageAssembler(bytesMax: 10)
    let bytes = Framing.frame([1, 2]) + Framing.frame([]) + Framing.frame([3]).dropLast()
    flow.receive(bytes.span.bytes, isEnd: false)
    var taken: [(message: [UInt8]?, takenBytes: Int)] = []
    for _ in 0..<4 { taken.append(try flow.assemble(&assembler)) }
    #expect(taken.map(\.message) == [[1, 2], [], nil, nil])
    #expect(taken.map(\.takenBytes) == [7, 5, 5, 0])
    let rest: [UInt8] = [3, 0, 0]
    flow.receive(rest.span.bytes, isEnd: true)
    let last = try flow.assemble(&assembler)
    #expect(last.message == [3])
    #expect(last.takenBytes == 1)
    #expect(flow.isRequestDone)
    #expect(flow.end() == 2)
  }
}
