import Kernel
import Synchronization
import Testing

@testable import HTTP2
@testable import RPC
@testable import Transport

/// In which tasks handlers ran, in order.
private final class Tasks: Sendable {
  private let hashes = Mutex<[Int]>([])

  /// Notes the running task.
  func note() {
    let hash = withUnsafeCurrentTask { $0?.hashValue ?? 0 }
    hashes.withLock { $0.append(hash) }
  }

  var noted: [Int] { hashes.withLock { $0 } }
}

/// The tasks in which the handlers of one connection run.
@Suite("Call workers", .timeLimit(.minutes(1)))
struct CallWorkersTests {
  private let tasks = Tasks()
  private let message = Framing.frame([1])

  @Test("handlers that never wait share a task, and nothing of a call is left for the next one")
  func sharing() async throws {
    let tasks = tasks
    try await Loopback.with(answer: { bytes, context in
      tasks.note()
      #expect(CallScope.current?.metadata["x-mark"] == context.metadata["x-mark"])
      #expect((Deadline.current != nil) == (context.metadata["x-mark"] == "1"))
      #expect(!Task.isCancelled)
      return bytes
    }) { loopback in
      let client = try await RawClient.connect(port: loopback.port)
      for mark in 0..<4 {
        var fields = [("x-mark", "\(mark)")]
        if mark == 1 { fields.append(("grpc-timeout", "10S")) }
        let answer = try await client.call(RawClient.headers(fields), body: message)
        #expect(answer.body == message)
      }
      client.close()
    }
    #expect(tasks.noted.count == 4)
    #expect(Set(tasks.noted).count == 1)
  }

  @Test("a handler that waits keeps its task, and those behind it run in another")
  func waiting() async throws {
    let tasks = tasks
    let (began, mayEnd) = (Event(), Event())
    try await Loopback.with(answer: { bytes, context in
      tasks.note()
      if context.metadata["x-mark"] == "waits" {
        began.happen()
        await mayEnd.wait()
        tasks.note()
      }
      return bytes
    }) { loopback in
      let client = try await RawClient.connect(port: loopback.port)
      async let first = client.call(RawClient.headers([("x-mark", "waits")]), body: message)
      await began.wait()
      for _ in 0..<2 { #expect(try await client.call(RawClient.headers(), body: message).body == message) }
      mayEnd.happen()
      #expect(try await first.body == message)
      client.close()
    }
    let noted = tasks.noted
    #expect(noted.count == 4)
    #expect(noted[0] == noted[3])
    #expect(noted[1] == noted[2])
    #expect(noted[0] != noted[1])
  }

  // Goal: nobody is told to stop for another one's sake. Method: a call is reset while its handler waits; only then
  // does the handler go on, and its task is free.
  @Test("the task of a cancelled call runs no other")
  func cancelled() async throws {
    let (began, cancelled, isOver) = (Event(), Event(), Event())
    try await Loopback.with(answer: { bytes, context in
      guard context.metadata["x-mark"] == "waits" else {
        #expect(!Task.isCancelled)
        return bytes
      }
      defer { isOver.happen() }
      return try await untilCancelled(began: began, cancelled: cancelled)
    }) { loopback in
      let client = try await RawClient.connect(port: loopback.port)
      let call = try await client.stream([("x-mark", "waits")], path: "/test.v1.Probe/Call")
      call.send([1], isEnd: true)
      await began.wait()
      call.reset()
      _ = await call.end()
      await isOver.wait()
      for _ in 0..<3 { #expect(try await client.call(RawClient.headers(), body: message).body == message) }
      client.close()
    }
  }

  // Goal: whoever opens streams and resets them at once sets no handler going. Method: frames that the test writes, in
  // one input.
  @Test("a call that is reset in the same input never reaches its handler")
  func resetAtOnce() throws {
    let handled = Counter()
    let probe = ProbeService { bytes, _ in
      handled.increment()
      return bytes
    }
    let core = ServerCore(
      RPCServerConfiguration(host: "", port: 0), router: Router([probe]), chain: CallChain([]), logger: quiet)
    let peer = try EmbeddedConnection(server: ConnectionConfiguration(), streams: Counter()) {
      ServerAcceptor(core: core, connection: $0, record: nil)
    }
    let path = "/test.v1.Probe/Call"
    try peer.send(EmbeddedConnection.greeting)
    try peer.send(
      EmbeddedConnection.request(1, isEnd: false, path: path), RawFrame.bytes(RawFrame.data, flags: 1, id: 1, message),
      RawFrame.bytes(RawFrame.reset, id: 1, [0, 0, 0, 8]))
    #expect(handled.count == 0)
    try peer.send(
      EmbeddedConnection.request(3, isEnd: false, path: path), RawFrame.bytes(RawFrame.data, flags: 1, id: 3, message))
    #expect(handled.count == 1)
    #expect(try peer.frames(RawFrame.data).map(\.payload) == [message])
  }
}
