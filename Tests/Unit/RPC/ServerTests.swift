import Kernel
import Messages
import NIOCore
import Testing

@testable import HTTP2
@testable import RPC
@testable import Transport

@Suite("RPC server", .timeLimit(.minutes(1)))
struct ServerTests {
  private func answer(
    _ headers: HeaderList, body: [UInt8]?, limits: (inout RPCServerConfiguration) -> Void = { _ in },
    handled: Counter = Counter()
  ) async throws -> RawAnswer {
    var result = RawAnswer()
    try await Loopback.with(
      limits: limits,
      answer: { bytes, _ in
        handled.increment()
        return bytes
      }
    ) { loopback in
      let client = try await RawClient.connect(port: loopback.port)
      result = try await client.call(headers, body: body)
      client.close()
    }
    return result
  }

  @Test("an answer has a head, one message and the status OK")
  func success() async throws {
    let answer = try await answer(RawClient.headers(), body: Framing.frame([1, 2, 3]))
    #expect(answer.httpStatus == "200")
    #expect(answer.head.first("content-type") == "application/grpc")
    #expect(answer.body == [0, 0, 0, 0, 3, 1, 2, 3])
    #expect(answer.trailers.first("grpc-status") == "0")
  }

  @Test("the caller's request id comes back")
  func requestID() async throws {
    let answer = try await answer(RawClient.headers([("x-request-id", "r-1")]), body: Framing.frame([]))
    #expect(answer.trailers.all("x-request-id") == ["r-1"])
  }

  @Test("what is not gRPC is refused in HTTP's own terms")
  func notGRPC() async throws {
    #expect(try await answer(RawClient.headers([("content-type", "application/json")]), body: []).httpStatus == "415")
    #expect(try await answer(RawClient.headers([(":method", "GET")]), body: []).httpStatus == "405")
  }

  @Test(
    "unknown methods and services are UNIMPLEMENTED",
    arguments: ["/test.v1.Probe/Other", "/test.v1.Other/Call", "/", "/test.v1.Probe/Call/"])
  func unknownMethod(path: String) async throws {
    let answer = try await answer(RawClient.headers(path: path), body: Framing.frame([]))
    #expect(answer.head.first("grpc-status") == "12")
  }

  @Test("an expired or malformed deadline keeps the handler from running", arguments: [("0n", "4"), ("5", "13")])
  func expired(timeout: String, status: String) async throws {
    let handled = Counter()
    let answer = try await answer(
      RawClient.headers([("grpc-timeout", timeout)]), body: Framing.frame([]), handled: handled)
    #expect(answer.grpcStatus == status)
    #expect(handled.count == 0)
  }

  @Test("a call has exactly one whole request message")
  func cardinality() async throws {
    #expect(try await answer(RawClient.headers(), body: []).grpcStatus == "12")
    #expect(try await answer(RawClient.headers(), body: Framing.frame([1]) + Framing.frame([2])).grpcStatus == "12")
    #expect(try await answer(RawClient.headers(), body: [0, 0, 0, 0, 2, 1]).grpcStatus == "13")
  }

  @Test("a message of exactly the limit passes", arguments: [0, 1])
  func messageLimit(excess: Int) async throws {
    let answer = try await answer(
      RawClient.headers(), body: Framing.frame(Array(repeating: 1, count: 100 + excess)),
      limits: { $0.messageBytesMax = 100 })
    #expect(answer.grpcStatus == (excess == 0 ? "0" : "8"))
  }

  @Test("a length prefix that promises too much is refused before anything follows")
  func lengthPrefix() async throws {
    let handled = Counter()
    let answer = try await answer(RawClient.headers(), body: [0, 255, 255, 255, 255], handled: handled)
    #expect(answer.grpcStatus == "8")
    #expect(handled.count == 0)
  }

  // Goal: a complete message counts until its handler has it. Method: messages whose streams never end, one more than
  // the connection's budget holds.
  @Test("messages that wait for the end of their stream use up the connection's budget")
  func unfinishedRequests() async throws {
    let handled = Counter()
    try await Loopback.with(answer: { bytes, _ in
      handled.increment()
      return bytes
    }) { loopback in
      let client = try await RawClient.connect(port: loopback.port)
      let message = Framing.frame(Array(repeating: 7, count: Limits.messageBytesMax))
      let answers = try await withThrowingTaskGroup(of: RawAnswer.self) { group in
        for _ in 0...Limits.assemblyBytesMax / Limits.messageBytesMax {
          group.addTask { try await client.call(RawClient.headers(), body: nil, unfinished: message) }
        }
        let first = try await group.next()
        client.close()
        return try await group.reduce(into: [first]) { $0.append($1) }
      }
      #expect(answers.compactMap { $0?.grpcStatus } == ["8"])
      #expect(handled.count == 0)
    }
  }

  @Test("messages that their handlers have do not count")
  func handledRequests() async throws {
    let calls = Limits.assemblyBytesMax / Limits.messageBytesMax + 1
    let running = Counter()
    let began = (0..<calls).map { _ in Event() }
    try await Loopback.with(answer: { _, _ in
      began[running.increment() - 1].happen()
      await began[calls - 1].wait()
      return []
    }) { loopback in
      let message = [UInt8](repeating: 7, count: Limits.messageBytesMax)
      try await withThrowingTaskGroup { group in
        for number in 0..<calls {
          group.addTask {
            let answer = try await loopback.call(message, options: CallOptions(attemptDeadline: nil, retry: .none))
            #expect(answer.isEmpty)
          }
          await began[number].wait()  // Or else the messages arrive side by side, none of them whole.
        }
        try await group.waitForAll()
      }
    }
  }

  @Test("too much metadata is RESOURCE_EXHAUSTED and the connection lives on")
  func metadataLimit() async throws {
    try await Loopback.with { loopback in
      let client = try await RawClient.connect(port: loopback.port)
      let large = String(repeating: "v", count: 17 << 10)
      let refused = try await client.call(RawClient.headers([("x", large)]), body: Framing.frame([]))
      #expect(refused.grpcStatus == "8")
      let fine = try await client.call(RawClient.headers(), body: Framing.frame([]))
      #expect(fine.grpcStatus == "0")
      client.close()
    }
  }

  // Goal: a head that is like the last one is not read again, and one that differs in a byte is. Method: heads of the
  // same length, in pairs and with another in between.
  @Test("calls whose heads are alike have each their own metadata and method")
  func headsAlike() async throws {
    try await Loopback.with(answer: { _, context in Array((context.metadata["x-mark"] ?? "").utf8) }) { loopback in
      let client = try await RawClient.connect(port: loopback.port)
      for mark in ["a", "a", "b", "a", "longer"] {
        let answer = try await client.call(RawClient.headers([("x-mark", mark)]), body: Framing.frame([]))
        #expect(answer.body == Framing.frame(Array(mark.utf8)))
        let headers = RawClient.headers([("x-mark", mark)], path: "/test.v1.Probe/Calk")
        #expect(try await client.call(headers, body: Framing.frame([])).grpcStatus == "12")
      }
      client.close()
    }
  }

  @Test("a refusal reaches a client that is still sending, which is then told to stop")
  func earlyRefusal() async throws {
    let answer = try await answer(RawClient.headers(path: "/test.v1.Probe/Other"), body: nil)
    #expect(answer.grpcStatus == "12")
    #expect(answer.closure == .reset(.noError))
  }

  @Test("a lost connection cancels the handler")
  func lostConnection() async throws {
    let (began, cancelled) = (Event(), Event())
    try await Loopback.with(answer: { _, _ in try await untilCancelled(began: began, cancelled: cancelled) }) {
      let client = try await RawClient.connect(port: $0.port)
      async let answer = client.call(RawClient.headers(), body: Framing.frame([]))
      await began.wait()
      client.close()
      await cancelled.wait()
      #expect(try await answer.closure == .connectionLost)
    }
  }

  @Test("a taken port is refused with its host and number")
  func takenPort() async throws {
    try await Loopback.with { loopback in
      let second = RPCServer(
        RPCServerConfiguration(host: "127.0.0.1", port: loopback.port), services: [], logger: quiet)
      do {
        _ = try await second.start()
        Issue.record("two servers share a port")
      } catch TransportFailure.bind(let host, let port, _) {
        #expect(host == "127.0.0.1")
        #expect(port == loopback.port)
      }
    }
  }

  @Test("interceptors wrap the handler from the outside in, and hand values on")
  func interceptors() async throws {
    struct Key: CallContextKey { typealias Value = String }
    struct Mark: ServerInterceptor {
      let name: String
      func intercept(_ context: CallContext, next: (CallContext) async throws -> Void) async throws {
        var inner = context
        inner[Key.self] = (context[Key.self] ?? "") + name
        try await next(inner)
        context.trailers.append("x-mark", name)
      }
    }
    try await Loopback.with(
      interceptors: [Mark(name: "a"), Mark(name: "b")],
      answer: { _, context in
        #expect(CallScope.current?[Key.self] == "ab")
        return Array((context[Key.self] ?? "").utf8) + [0x2E]
      }
    ) { loopback in
      let client = try await RawClient.connect(port: loopback.port)
      let answer = try await client.call(RawClient.headers(), body: Framing.frame([]))
      #expect(answer.body == Framing.frame(Array("ab.".utf8)))
      #expect(answer.trailers.all("x-mark") == ["b", "a"])
      client.close()
    }
  }

  @Test("trailers of a handler arrive, unsendable ones fail the call")
  func handlerTrailers() async throws {
    try await Loopback.with(answer: { bytes, context in
      context.trailers.append(String(decoding: bytes, as: UTF8.self), "v")
      return []
    }) { loopback in
      let client = try await RawClient.connect(port: loopback.port)
      let fine = try await client.call(RawClient.headers(), body: Framing.frame(Array("x-good".utf8)))
      #expect(fine.trailers.first("x-good") == "v")
      let refused = try await client.call(RawClient.headers(), body: Framing.frame(Array("grpc-bad".utf8)))
      #expect(refused.grpcStatus == "13")
      client.close()
    }
  }
}
