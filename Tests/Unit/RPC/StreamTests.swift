import Kernel
import Testing

@testable import HTTP2
@testable import RPC
@testable import Transport

@Suite("Streams of a server", .timeLimit(.minutes(1)))
struct StreamTests {
  static let echo: StreamProbe.Answer = { requests, responses, _ in
    for try await message in requests { try await responses.write(message) }
  }

  // MARK: Kinds

  @Test("a bidirectional call answers each message before the next one comes")
  func pingPong() async throws {
    try await StreamProbe.with(answer: StreamTests.echo) { client in
      let call = try await client.stream(path: StreamProbe.both)
      for number in UInt8(1)...5 {
        call.send([number])
        let messages = await call.messages(Int(number))
        #expect(messages.last == [number])
      }
      call.finish()
      let answer = await call.end()
      #expect(answer.grpcStatus == "0")
      #expect(answer.closure == .finished)
    }
  }

  @Test("messages arrive whole and in order, however the bytes were cut")
  func pieces() async throws {
    try await StreamProbe.with(answer: StreamTests.echo) { client in
      let call = try await client.stream(path: StreamProbe.both)
      let messages = (0..<50).map { [UInt8](repeating: UInt8($0), count: $0 * 7) }
      let bytes = messages.flatMap { Framing.frame($0) }
      for piece in stride(from: 0, to: bytes.count, by: 13) { call.sendBytes(Array(bytes[piece...].prefix(13))) }
      call.finish()
      #expect(await call.end().messages == messages)
    }
  }

  @Test("a server-streaming call has one request and many answers, with headers and trailers")
  func serverStreaming() async throws {
    try await StreamProbe.with(answer: { requests, responses, context in
      context.headers.append("x-head", "h")
      for try await message in requests {
        for number in 0..<message[0] { try await responses.write([number]) }
      }
      context.trailers.append("x-tail", "t")
    }) { client in
      let call = try await client.stream([("x-request-id", "r-1")], path: StreamProbe.server)
      call.send([3], isEnd: true)
      let answer = await call.end()
      #expect(answer.head.first("x-head") == "h")
      #expect(answer.messages == [[0], [1], [2]])
      #expect(answer.grpcStatus == "0")
      #expect(answer.trailers.first("x-tail") == "t")
      #expect(answer.trailers.all("x-request-id") == ["r-1"])
    }
  }

  @Test("a server-streaming call with no request, or with two, is UNIMPLEMENTED", arguments: [0, 2])
  func requestCardinality(count: Int) async throws {
    let handled = Counter()
    try await StreamProbe.with(answer: { _, _, _ in handled.increment() }) { client in
      let call = try await client.stream(path: StreamProbe.server)
      for _ in 0..<count { call.send([1]) }
      call.finish()
      #expect(await call.end().grpcStatus == "12")
    }
    #expect(handled.count == 0)
  }

  @Test("a client-streaming call has exactly one answer", arguments: [(0, "13"), (1, "0"), (2, "13")])
  func responseCardinality(count: Int, status: String) async throws {
    try await StreamProbe.with(answer: { requests, responses, _ in
      var sum: UInt8 = 0
      for try await message in requests { sum += message[0] }
      for _ in 0..<count { try await responses.write([sum]) }
    }) { client in
      let call = try await client.stream(path: StreamProbe.client)
      for number in UInt8(1)...3 { call.send([number]) }
      call.finish()
      let answer = await call.end()
      #expect(answer.grpcStatus == status)
      #expect(answer.messages.first == (count == 0 ? nil : [6]))
    }
  }

  @Test("a call without messages in either direction succeeds with a head")
  func empty() async throws {
    try await StreamProbe.with(answer: StreamTests.echo) { client in
      let call = try await client.stream(path: StreamProbe.both)
      call.finish()
      let answer = await call.end()
      #expect(answer.httpStatus == "200")
      #expect(answer.grpcStatus == "0")
      #expect(answer.body.isEmpty)
    }
  }

  // MARK: Head and status

  @Test("the head goes out when the handler asks, before any message")
  func earlyHead() async throws {
    try await StreamProbe.with(answer: { requests, responses, context in
      context.headers.append("x-head", "h")
      try await responses.sendHeaders()
      try await StreamTests.echo(requests, responses, context)
    }) { client in
      let call = try await client.stream(path: StreamProbe.both)
      #expect(await call.head().head.first("x-head") == "h")
      call.send([1], isEnd: true)
      #expect(await call.end().messages == [[1]])
    }
  }

  @Test("an error after messages is in the trailers")
  func lateFailure() async throws {
    try await StreamProbe.with(answer: { _, responses, context in
      try await responses.write([1])
      context.trailers.append("x-tail", "t")
      throw Failure(.insufficientFunds, "no money")
    }) { client in
      let call = try await client.stream(path: StreamProbe.server)
      call.send([], isEnd: true)
      let answer = await call.end()
      #expect(answer.httpStatus == "200")
      #expect(answer.messages == [[1]])
      #expect(answer.trailers.first("grpc-status") == "9")
      #expect(answer.trailers.first("mobo-error-code") == "INSUFFICIENT_FUNDS")
      #expect(answer.trailers.first("x-tail") == "t")
    }
  }

  @Test("an error before any message is the whole answer, unless there are headers to send")
  func earlyFailure() async throws {
    try await StreamProbe.with(answer: { requests, _, context in
      let message = try await requests.next()
      if message == [1] { context.headers.append("x-head", "h") }
      throw Failure(.dealNotFound, "nothing")
    }) { client in
      let bare = try await client.stream(path: StreamProbe.server)
      bare.send([], isEnd: true)
      #expect(await bare.end().head.first("grpc-status") == "5")
      let headed = try await client.stream(path: StreamProbe.server)
      headed.send([1], isEnd: true)
      let answer = await headed.end()
      #expect(answer.head.first("x-head") == "h")
      #expect(answer.trailers.first("grpc-status") == "5")
    }
  }

  @Test("headers that cannot be sent fail the call")
  func badHeaders() async throws {
    try await StreamProbe.with(answer: { _, responses, context in
      context.headers.append("grpc-own", "h")
      try await responses.write([1])
    }) { client in
      let call = try await client.stream(path: StreamProbe.server)
      call.send([], isEnd: true)
      let answer = await call.end()
      #expect(answer.grpcStatus == "13")
      #expect(answer.body.isEmpty)
    }
  }

  @Test("a handler that returns early ends the call, and the client is told to stop sending")
  func earlyReturn() async throws {
    try await StreamProbe.with(answer: { requests, responses, _ in
      _ = try await requests.next()
      try await responses.write([9])
    }) { client in
      let call = try await client.stream(path: StreamProbe.both)
      call.send([1])
      let answer = await call.end()
      #expect(answer.messages == [[9]])
      #expect(answer.grpcStatus == "0")
      #expect(answer.closure == .reset(.noError))
    }
  }

  // Goal: the reset does not overtake the answer. Method: the answer is larger than the client's window.
  @Test("a handler that returns early has its whole answer sent before the client is told to stop")
  func earlyReturnWithMuch() async throws {
    let count = 6 << 20
    try await StreamProbe.with(
      limits: { $0.sentMessageBytesMax = count },
      answer: { _, responses, _ in try await responses.write([UInt8](repeating: 1, count: count)) }
    ) { client in
      let call = try await client.stream(path: StreamProbe.both, consumes: false)
      _ = await call.bodyBytes(ConnectionConfiguration().http2.streamWindowBytes)
      call.consume()
      let answer = await call.end()
      #expect(answer.body.count == count + 5)
      #expect(answer.grpcStatus == "0")
      #expect(answer.closure == .reset(.noError))
    }
  }

  // MARK: Limits

  @Test("a message of exactly the limit passes, in both directions", arguments: [0, 1])
  func messageLimit(excess: Int) async throws {
    let message = [UInt8](repeating: 1, count: 100 + excess)
    try await StreamProbe.with(limits: { $0.messageBytesMax = 100 }, answer: StreamTests.echo) { client in
      let call = try await client.stream(path: StreamProbe.both)
      call.send([])
      call.send(message, isEnd: true)
      let answer = await call.end()
      #expect(answer.grpcStatus == (excess == 0 ? "0" : "8"))
      #expect(answer.messages.count == 2 - excess)
    }
    try await StreamProbe.with(limits: { $0.sentMessageBytesMax = 100 }, answer: StreamTests.echo) { client in
      let call = try await client.stream(path: StreamProbe.both)
      call.send(message, isEnd: true)
      #expect(await call.end().grpcStatus == (excess == 0 ? "0" : "8"))
    }
  }

  @Test("a stream that ends inside a message is INTERNAL, whatever the handler makes of it")
  func truncated() async throws {
    let failures = Counter()
    try await StreamProbe.with(answer: { requests, _, _ in
      do {
        while try await requests.next() != nil {}
      } catch {
        failures.increment()
      }
    }) { client in
      let call = try await client.stream(path: StreamProbe.both)
      call.sendBytes([0, 0, 0, 0, 2, 1], isEnd: true)
      #expect(await call.end().grpcStatus == "13")
    }
    #expect(failures.count == 1)
  }

  @Test("a request that is not complete in time is refused, deadline or not", arguments: [[], [("grpc-timeout", "1H")]])
  func slowRequest(headers: [(String, String)]) async throws {
    try await StreamProbe.with(
      limits: { $0.requestTimeMax = .milliseconds(20) }, answer: StreamTests.echo
    ) { client in
      for path in [StreamProbe.server, "/test.v1.Probe/Call"] {
        let call = try await client.stream(headers, path: path)
        call.send([1])
        let answer = await call.end()
        #expect(answer.grpcStatus == "4")
        #expect(answer.closure == .reset(.noError))
      }
    }
  }

  // Goal: the time limit of requests is none of calls and of streams. Method: both outlive it, and it is long enough
  // for the request itself on a machine that is busy.
  @Test("a call outlives the time that its request may take")
  func slowCalls() async throws {
    try await StreamProbe.with(
      limits: { $0.requestTimeMax = .milliseconds(500) },
      answer: { requests, responses, context in
        if context.method.kind == .serverStreaming { try await Task.sleep(for: .milliseconds(600)) }
        try await StreamTests.echo(requests, responses, context)
      }
    ) { client in
      let stream = try await client.stream(path: StreamProbe.both)
      let call = try await client.stream(path: StreamProbe.server)
      call.send([1], isEnd: true)
      #expect(await call.end().grpcStatus == "0")
      stream.send([2], isEnd: true)
      #expect(await stream.end().messages == [[2]])
    }
  }
}
