import Kernel
import Synchronization
import Testing

@testable import HTTP2
@testable import RPC
@testable import Transport

/// What a handler found out.
private final class Findings: Sendable {
  let error = Mutex<(any Error)?>(nil)
  let began = Event()
  let ended = Event()

  /// Runs the handler's part that is to be interrupted.
  func watch(_ body: () async throws -> Void) async throws {
    defer { ended.happen() }
    do {
      began.happen()
      try await body()
    } catch {
      self.error.withLock { $0 = error }
      throw error
    }
  }

  var isCancellation: Bool { error.withLock { $0 is CancellationError } }
}

@Suite("Streams that end before their time", .timeLimit(.minutes(1)))
struct StreamEndTests {
  enum Wait: String, CaseIterable {
    case reading
    case writing
    case sleeping
  }

  /// A handler that waits in the given way until it is stopped.
  private static func handler(_ wait: Wait, _ findings: Findings) -> StreamProbe.Answer {
    { requests, responses, _ in
      try await findings.watch {
        switch wait {
        case .reading: _ = try await requests.next()
        case .writing: while true { try await responses.write([UInt8](repeating: 0, count: 32 << 10)) }
        case .sleeping: try await Task.sleep(for: .seconds(3_600))
        }
      }
    }
  }

  @Test("a reset of the client stops the handler wherever it waits", arguments: Wait.allCases)
  func reset(wait: Wait) async throws {
    let findings = Findings()
    try await StreamProbe.with(answer: StreamEndTests.handler(wait, findings)) { client in
      let call = try await client.stream(path: StreamProbe.both, consumes: false)
      await findings.began.wait()
      if wait == .writing { _ = await call.bodyBytes(ConnectionConfiguration().http2.streamWindowBytes) }
      call.reset()
      await findings.ended.wait()
      #expect(findings.isCancellation)
    }
  }

  @Test("a lost connection stops the handler wherever it waits", arguments: Wait.allCases)
  func lostConnection(wait: Wait) async throws {
    let findings = Findings()
    try await StreamProbe.with(answer: StreamEndTests.handler(wait, findings)) { client in
      let call = try await client.stream(path: StreamProbe.both, consumes: false)
      await findings.began.wait()
      client.close()
      await findings.ended.wait()
      #expect(findings.isCancellation)
      #expect(await call.end().closure == .connectionLost)
    }
  }

  @Test("the deadline stops the handler wherever it waits", arguments: Wait.allCases)
  func deadline(wait: Wait) async throws {
    let findings = Findings()
    try await StreamProbe.with(answer: StreamEndTests.handler(wait, findings)) { client in
      let call = try await client.stream([("grpc-timeout", "20m")], path: StreamProbe.both, consumes: false)
      let answer = await call.end()
      await findings.ended.wait()
      #expect(findings.isCancellation)
      if wait == .writing {
        // Once the client's window is full, trailers would not get through either.
        #expect(answer.closure == .reset(.cancel) || answer.grpcStatus == "4")
      } else {
        #expect(answer.grpcStatus == "4")
      }
    }
  }

  // Goal: what is cancelled is one wait, not the call. Method: a child task waits for a message and is cancelled.
  @Test("a reader whose task is cancelled leaves the stream to the next one")
  func cancelledReader() async throws {
    let isWaiting = Event()
    try await StreamProbe.with(answer: { requests, responses, _ in
      await withTaskGroup { group in
        group.addTask {
          isWaiting.happen()
          await #expect(throws: CancellationError.self) { try await requests.next() }
        }
        await isWaiting.wait()
        group.cancelAll()
      }
      try await responses.sendHeaders()
      while let message = try await requests.next() { try await responses.write(message) }
    }) { client in
      let call = try await client.stream(path: StreamProbe.both)
      _ = await call.head()
      call.send([1], isEnd: true)
      let answer = await call.end()
      #expect(answer.messages == [[1]])
      #expect(answer.grpcStatus == "0")
    }
  }

  @Test("a second reader at the same time is refused")
  func twoReaders() async throws {
    try await StreamProbe.with(answer: { requests, _, _ in
      try await withThrowingTaskGroup { group in
        for _ in 0..<2 { group.addTask { _ = try await requests.next() } }
        try await group.next()  // Throws, which cancels the other.
      }
    }) { client in
      let call = try await client.stream(path: StreamProbe.both)
      #expect(await call.end().grpcStatus == "13")
    }
  }

  @Test("a stream is read and written from tasks that run elsewhere")
  func otherExecutors() async throws {
    try await StreamProbe.with(answer: { requests, responses, _ in
      try await Task.detached {
        for try await message in requests { try await responses.write(message) }
      }.value
    }) { client in
      let call = try await client.stream(path: StreamProbe.both)
      for number in UInt8(0)..<100 {
        call.send([number])
        #expect(await call.messages(Int(number) + 1).last == [number])
      }
      call.finish()
      #expect(await call.end().grpcStatus == "0")
    }
  }

  @Test("what is read or written after the call is over throws, and has no effect")
  func afterTheEnd() async throws {
    let (late, isOver) = (Event(), Event())
    let refusals = Counter()
    try await StreamProbe.with(answer: { requests, responses, _ in
      Task.detached {
        await late.wait()
        do { _ = try await requests.next() } catch is CancellationError { refusals.increment() } catch {}
        do { try await responses.write([2]) } catch is CancellationError { refusals.increment() } catch {}
        isOver.happen()
      }
      try await responses.write([1])
    }) { client in
      let call = try await client.stream(path: StreamProbe.server)
      call.send([], isEnd: true)
      #expect(await call.end().messages == [[1]])
      late.happen()
      await isOver.wait()
    }
    #expect(refusals.count == 2)
  }
}
