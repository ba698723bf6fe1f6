import Kernel
import NIOCore
import Synchronization
import Testing

@testable import HTTP2
@testable import RPC
@testable import Transport

/// The client's side of the calls that stream, against a scripted server.
@Suite("Streaming calls", .timeLimit(.minutes(1)))
struct StreamCallTests {
  static let bidirectional = MethodDescriptor(service: "test.v1.Probe", name: "Talk", kind: .bidirectional)
  static let download = MethodDescriptor(service: "test.v1.Probe", name: "Download", kind: .serverStreaming)
  static let upload = MethodDescriptor(service: "test.v1.Probe", name: "Upload", kind: .clientStreaming)
  static let quick = CallOptions(retry: RetryPolicy(attemptsMax: 3, pause: .zero))

  static let echo: @Sendable (StreamPeer.Call, StreamPeer.Moment) -> Void = { call, moment in
    switch moment {
    case .head: call.head([("greeting", "hello")])
    case .message(let message): call.send(message)
    case .end: call.succeed([("farewell", "bye")])
    case .closed: break
    }
  }

  private func all(_ responses: ResponseStream<[UInt8]>) async throws -> [[UInt8]] {
    var messages: [[UInt8]] = []
    for try await message in responses { messages.append(message) }
    return messages
  }

  @Test("messages go and come in turns, with the metadata before and behind them")
  func pingPong() async throws {
    try await StreamPeer.with(Self.echo) { channel, _ in
      let trailers = try await channel.stream(Self.bidirectional) { requests, responses in
        let greeting = try await responses.headers["greeting"]
        #expect(greeting == "hello")
        #expect(responses.trailers == nil)
        var answers = responses.makeAsyncIterator()
        for number in UInt8(0)..<50 {
          let message = [UInt8](repeating: number, count: Int(number) * 1_000)
          try await requests.write(message)
          let answer = try await answers.next()
          #expect(answer == message)
        }
        try await requests.finish()
        let answer = try await answers.next()
        #expect(answer == nil)
        return responses.trailers
      }
      #expect(trailers?["farewell"] == "bye")
    }
  }

  @Test("a stream without messages is a stream")
  func empty() async throws {
    try await StreamPeer.with(Self.echo) { channel, _ in
      let answers = try await channel.stream(Self.bidirectional) { requests, responses in
        try await requests.finish()
        return try await all(responses)
      }
      #expect(answers.isEmpty)
    }
  }

  @Test("a message larger than the windows and many small ones arrive whole and in order")
  func sizes() async throws {
    try await StreamPeer.with(
      channel: RPCChannelConfiguration(messageBytesMax: 16 << 20), Self.echo
    ) { channel, _ in
      var large = [UInt8](repeating: 7, count: 5 << 20)
      large[0] = 1
      large[large.count - 1] = 2
      let message = large
      let answers = try await channel.stream(Self.bidirectional) { requests, responses in
        async let written: Void = {
          try await requests.write(message)
          for number in 0..<200 { try await requests.write(Array("\(number)".utf8)) }
          try await requests.finish()
        }()
        let answers = try await all(responses)
        try await written
        return answers
      }
      #expect(answers.count == 201)
      #expect(answers.first == message)
      #expect(answers.last == Array("199".utf8))
    }
  }

  @Test("a writer waits for a server that does not read, and goes on when the call ends")
  func writeBackpressure() async throws {
    var settings = ConnectionConfiguration()
    settings.http2.streamWindowBytes = 64 << 10
    try await StreamPeer.with(settings: settings, takesMessages: false) { call, moment in
      if case .head = moment { call.head() }
    } _: { channel, peer in
      // The window, what may wait beside it, and the message of the writer: never more than these are taken.
      let most = 64 / 16 + Limits.unsentBytesMax / (16 << 10) + 1
      let (written, hasBegun) = (Counter(), Event())
      await #expect(throws: CancellationError.self) {
        try await channel.stream(Self.upload) { requests, responses in
          let endless = Task {
            while true {
              try await requests.write([UInt8](repeating: 0, count: 16 << 10))
              if written.increment() == 3 { hasBegun.happen() }
            }
          }
          _ = try await responses.headers
          await hasBegun.wait()
          for _ in 0..<1_000 { await Task.yield() }
          #expect(written.count <= most)
          endless.cancel()
          try await endless.value
        }
      }
    }
  }

  @Test("a server is held back by a reader that does not read, and its calls' neighbours are not")
  func readBackpressure() async throws {
    let drained = Counter()
    var settings = ConnectionConfiguration()
    settings.http2.streamWindowBytes = 1 << 20
    try await StreamPeer.with(settings: settings) { call, moment in
      guard case .head(let headers) = moment else { return }
      call.head()
      guard headers.first(":path") == Self.download.path else {
        call.send([1])
        return call.succeed()
      }
      for _ in 0..<16 { call.send([UInt8](repeating: 7, count: 1 << 20)) }
      call.succeed()
      drained.increment()
    } _: { channel, _ in
      try await channel.stream(Self.download) { requests, responses in
        try await requests.finish()
        _ = try await responses.headers
        // Sixteen MiB are on their way, four of them may come.
        for _ in 0..<10 {
          let answer = try await channel.unary(ProbeService.call, [0])
          #expect(answer == [1])
        }
        let answers = try await all(responses)
        #expect(answers.count == 16)
        #expect(answers.allSatisfy { $0.count == 1 << 20 })
      }
    }
  }

  @Test("an abandoned download gives the connection's window back")
  func abandonedWindows() async throws {
    try await StreamPeer.with { call, moment in
      guard case .head = moment else { return }
      call.head()
      for _ in 0..<8 { call.send([UInt8](repeating: 7, count: 1 << 20)) }
      call.succeed()
    } _: { channel, peer in
      // Twelve times eight MiB would not fit the connection's window of sixteen.
      for _ in 0..<12 {
        try await channel.stream(Self.download) { requests, responses in
          var answers = responses.makeAsyncIterator()
          let size = try await answers.next()?.count
          #expect(size == 1 << 20)
        }
      }
      #expect(peer.calls.count == 12)
    }
  }

  @Test("leaving the call early resets the stream")
  func leaving() async throws {
    let closed = Event()
    let reasons = Mutex<[StreamClosure]>([])
    try await StreamPeer.with { call, moment in
      switch moment {
      case .head: call.head()
      case .message(let message): call.send(message)
      case .closed(let reason):
        reasons.withLock { $0.append(reason) }
        closed.happen()
      case .end: break
      }
    } _: { channel, _ in
      let first = try await channel.stream(Self.bidirectional) { requests, responses in
        try await requests.write([1])
        var answers = responses.makeAsyncIterator()
        return try await answers.next()
      }
      #expect(first == [1])
      await closed.wait()
      #expect(reasons.withLock { $0 } == [.reset(.cancel)])
    }
  }

  @Test("cancelling the task ends the call on both sides")
  func cancellation() async throws {
    let (begun, closed) = (Event(), Event())
    try await StreamPeer.with { call, moment in
      switch moment {
      case .head:
        call.head()
        begun.happen()
      case .closed: closed.happen()
      default: break
      }
    } _: { channel, _ in
      let call = Task {
        try await channel.stream(Self.bidirectional) { requests, responses in try await all(responses) }
      }
      await begun.wait()
      call.cancel()
      await #expect(throws: CancellationError.self) { try await call.value }
      await closed.wait()
    }
  }

  @Test("a cancelled reader leaves the call to the others")
  func cancelledReader() async throws {
    try await StreamPeer.with(Self.echo) { channel, _ in
      try await channel.stream(Self.bidirectional) { requests, responses in
        let impatient = Task {
          var answers = responses.makeAsyncIterator()
          return try await answers.next()
        }
        impatient.cancel()
        await #expect(throws: CancellationError.self) { try await impatient.value }
        try await requests.write([5])
        try await requests.finish()
        let rest = try await all(responses)
        #expect(rest == [[5]])
      }
    }
  }

  @Test("the deadline ends a stream")
  func deadline() async throws {
    try await StreamPeer.with { call, moment in
      if case .head(let headers) = moment {
        #expect(headers.first("grpc-timeout") != nil)
        call.head()
      }
    } _: { channel, _ in
      let error = await #expect(throws: RPCError.self) {
        try await channel.stream(Self.download, options: CallOptions(deadline: .milliseconds(50))) { _, responses in
          try await all(responses)
        }
      }
      #expect(error?.code == .deadlineExceeded)
    }
  }

  @Test("a failure comes behind the messages before it, with its trailers")
  func failure() async throws {
    try await StreamPeer.with { call, moment in
      guard case .head = moment else { return }
      call.head()
      call.send([1])
      call.send([2])
      call.fail(RPCError(.outOfRange, "no more", metadata: ["why": "empty"]), isWholeAnswer: false)
    } _: { channel, _ in
      try await channel.stream(Self.bidirectional) { requests, responses in
        var answers = responses.makeAsyncIterator()
        for message in 1...2 {
          let answer = try await answers.next()
          #expect(answer == [UInt8(message)])
        }
        for _ in 0..<2 {
          let error = await #expect(throws: RPCError.self) { try await answers.next() }
          #expect(error?.code == .outOfRange)
          #expect(error?.metadata["why"] == "empty")
        }
        #expect(responses.trailers?["why"] == "empty")
        let refused = await #expect(throws: RPCError.self) { try await requests.write([3]) }
        #expect(refused?.code == .outOfRange)
      }
    }
  }

  @Test("a writer is told when the server has answered without waiting for the rest")
  func earlyAnswer() async throws {
    let closed = Event()
    try await StreamPeer.with { call, moment in
      switch moment {
      case .head:
        call.head()
        call.send([9])
        call.succeed()
      case .closed: closed.happen()
      default: break
      }
    } _: { channel, _ in
      try await channel.stream(Self.upload) { requests, responses in
        await #expect(throws: RequestsEnded.self) {
          while true { try await requests.write([0]) }
        }
        let rest = try await all(responses)
        #expect(rest == [[9]])
      }
      await closed.wait()
    }
  }

  @Test("a finished writer cannot write, and finishing twice is nothing")
  func finished() async throws {
    try await StreamPeer.with(Self.echo) { channel, _ in
      try await channel.stream(Self.bidirectional) { requests, responses in
        try await requests.finish()
        try await requests.finish()
        await #expect(throws: RequestsEnded.self) { try await requests.write([1]) }
        let isEmpty = try await all(responses).isEmpty
        #expect(isEmpty)
        try await requests.finish()
      }
    }
  }

  @Test("what a stream has sent is sent again until the answer begins")
  func retries() async throws {
    let attempts = Mutex<[String?]>([])
    try await StreamPeer.with { call, moment in
      switch moment {
      case .head(let headers):
        attempts.withLock { $0.append(headers.first("grpc-previous-rpc-attempts")) }
        if call.number == 3 { call.head() }
      case .message(let message): if call.number == 3 { call.send(message) }
      case .end: if call.number == 3 { call.succeed() } else { call.fail(RPCError(.unavailable, "not now")) }
      case .closed: break
      }
    } _: { channel, _ in
      let answers = try await channel.stream(Self.bidirectional, options: Self.quick) { requests, responses in
        try await requests.write([1])
        try await requests.write([2])
        try await requests.finish()
        return try await all(responses)
      }
      #expect(answers == [[1], [2]])
      #expect(attempts.withLock { $0 } == [nil, "1", "2"])
    }
  }

  @Test("once the answer has begun, a failure is final")
  func committedByHead() async throws {
    try await StreamPeer.with { call, moment in
      guard case .head = moment else { return }
      call.head()
      call.fail(RPCError(.unavailable, "gone"), isWholeAnswer: false)
    } _: { channel, peer in
      let error = await #expect(throws: RPCError.self) {
        try await channel.stream(Self.download, options: Self.quick) { _, responses in try await all(responses) }
      }
      #expect(error?.code == .unavailable)
      #expect(peer.calls.count == 1)
    }
  }

  @Test("a stream that has sent more than is kept for another attempt gets none", arguments: [0, 1])
  func committedBySize(excess: Int) async throws {
    try await StreamPeer.with { call, moment in
      if case .end = moment {
        if call.number == 1 { return call.fail(RPCError(.unavailable, "not now")) }
        call.head()
        call.succeed()
      }
    } _: { channel, peer in
      let half = [UInt8](repeating: 0, count: Limits.replayBytesMax / 2 - Framing.prefixBytes)
      let result = await Result {
        try await channel.stream(Self.bidirectional, options: Self.quick) { requests, responses in
          try await requests.write(half)
          try await requests.write(half + [UInt8](repeating: 0, count: excess))
          try await requests.finish()
          return try await all(responses)
        }
      }
      #expect(peer.calls.count == (excess == 0 ? 2 : 1))
      #expect((try? result.get()) == (excess == 0 ? [] : nil))
    }
  }

  @Test("a refused stream is sent again, whatever the policy")
  func refused() async throws {
    try await StreamPeer.with { call, moment in
      switch moment {
      case .head: if call.number == 1 { call.stream.reset(.refusedStream) } else { call.head() }
      case .message(let message): if call.number == 2 { call.send(message) }
      case .end: if call.number == 2 { call.succeed() }
      case .closed: break
      }
    } _: { channel, peer in
      let answers = try await channel.stream(Self.bidirectional, options: CallOptions(retry: .none)) {
        requests, responses in
        try await requests.write([4])
        try await requests.finish()
        return try await all(responses)
      }
      #expect(answers == [[4]])
      #expect(peer.calls.count == 2)
    }
  }

  @Test("methods with one request or one answer have exactly one")
  func cardinality() async throws {
    try await StreamPeer.with { call, moment in
      guard case .head = moment else { return }
      call.head()
      if call.number == 1 { for _ in 0..<2 { call.send([1]) } }
      call.succeed()
    } _: { channel, _ in
      for _ in 0..<2 {
        let error = await #expect(throws: RPCError.self) {
          try await channel.stream(Self.upload) { requests, responses in
            try await requests.finish()
            return try await all(responses)
          }
        }
        #expect(error?.code == .unimplemented)
      }
    }
    try await StreamPeer.with({ _, _ in }) { channel, _ in
      try await channel.stream(Self.download) { requests, _ in
        try await requests.write([1])
        let error = await #expect(throws: RPCError.self) { try await requests.write([2]) }
        #expect(error?.code == .internal)
      }
    }
  }

  @Test("a message above the limit is refused in both directions", arguments: [100, 101])
  func limits(size: Int) async throws {
    let narrow = RPCChannelConfiguration(messageBytesMax: 100, sentMessageBytesMax: 100)
    try await StreamPeer.with(channel: narrow) { call, moment in
      guard case .head = moment else { return }
      call.head()
      call.send([UInt8](repeating: 0, count: size))
      call.succeed()
    } _: { channel, _ in
      try await channel.stream(Self.bidirectional) { requests, responses in
        let answers = await Result { try await all(responses) }
        #expect((try? answers.get().count) == (size == 100 ? 1 : nil))
      }
    }
    try await StreamPeer.with(channel: narrow, { _, _ in }) { channel, _ in
      try await channel.stream(Self.bidirectional) { requests, _ in
        let written = await Result { try await requests.write([UInt8](repeating: 0, count: size)) }
        #expect((written.failure as? RPCError)?.code == (size == 100 ? nil : .resourceExhausted))
      }
    }
  }
}

extension Result where Failure == any Error {
  /// What an asynchronous body came to.
  init(_ body: () async throws -> Success) async {
    do { self = .success(try await body()) } catch { self = .failure(error) }
  }

  var failure: (any Error)? {
    if case .failure(let error) = self { error } else { nil }
  }
}
