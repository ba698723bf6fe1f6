import Kernel
import Messages
import NIOCore
import Testing

@testable import HTTP2
@testable import RPC
@testable import Transport

@Suite("RPC channel", .timeLimit(.minutes(1)))
struct ChannelTests {
  @Test("messages up to the limit come back as they went", arguments: [0, 1, 16_379, 65_536, 4_089_446])
  func echo(size: Int) async throws {
    try await Loopback.with { loopback in
      let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0) }
      let answer = try await loopback.call(bytes)
      #expect(answer == bytes)
    }
  }

  @Test("two hundred calls at once are answered, each with its own")
  func concurrency() async throws {
    try await Loopback.with { loopback in
      try await withThrowingTaskGroup { group in
        for number in 0..<200 {
          group.addTask {
            let bytes = Array("\(number)".utf8)
            let answer = try await loopback.call(bytes)
            #expect(answer == bytes)
          }
        }
        try await group.waitForAll()
      }
    }
  }

  @Test("calls beyond the server's stream limit wait for their turn")
  func streamLimit() async throws {
    try await Loopback.with(
      limits: { $0.concurrentStreamsMax = 2 },
      answer: { bytes, _ in
        await Task.yield()
        return bytes
      }
    ) { loopback in
      let options = CallOptions(attemptDeadline: nil, retry: .none)
      try await withThrowingTaskGroup { group in
        for _ in 0..<50 { group.addTask { _ = try await loopback.call([1], options: options) } }
        try await group.waitForAll()
      }
    }
  }

  @Test("a refusal arrives with its code, its violations and its facts")
  func richError() async throws {
    let failure = Failure(
      .insufficientFunds, "not enough", violations: [FieldViolation("amountPaise", "exceeds the balance")],
      retryAfter: .seconds(2), metadata: ["availablePaise": "10"])
    try await Loopback.with(answer: { _, _ in throw failure }) { loopback in
      let error = try #require(await loopback.failure())
      #expect(error.code == .failedPrecondition)
      #expect(Failure(error) == failure)
    }
  }

  @Test("what a handler throws by accident is masked")
  func masked() async throws {
    struct Surprise: Error {}
    try await Loopback.with(answer: { _, _ in throw Surprise() }) { loopback in
      let error = try #require(await loopback.failure())
      #expect(error.code == .internal)
      #expect(error.message == "internal error")
      #expect(error.errorInfo?.reason == "INTERNAL_ERROR")
    }
  }

  @Test("the deadline ends the call on both sides")
  func deadline() async throws {
    let (began, cancelled) = (Event(), Event())
    try await Loopback.with(answer: { _, context in
      #expect(context.deadline != nil)
      #expect(Deadline.current == context.deadline)
      return try await untilCancelled(began: began, cancelled: cancelled)
    }) { loopback in
      // A busy machine may spend the whole deadline before the handler begins: then it gets more.
      for attempt in 1...100 where !began.hasHappened {
        let options = CallOptions(deadline: .milliseconds(50 * attempt), retry: .none)
        let error = await loopback.failure(options: options)
        #expect(error?.code == .deadlineExceeded)
      }
      await cancelled.wait()
    }
  }

  @Test("a deadline that has passed costs no call")
  func passedDeadline() async throws {
    let handled = Counter()
    try await Loopback.with(answer: { bytes, _ in
      handled.increment()
      return bytes
    }) { loopback in
      #expect(await loopback.failure(options: CallOptions(deadline: .zero))?.code == .deadlineExceeded)
      #expect(handled.count == 0)
    }
  }

  @Test("cancelling the caller cancels the handler")
  func cancellation() async throws {
    let (began, cancelled) = (Event(), Event())
    try await Loopback.with(answer: { _, _ in try await untilCancelled(began: began, cancelled: cancelled) }) {
      loopback in
      let call = Task { try await loopback.call([]) }
      await began.wait()
      call.cancel()
      await #expect(throws: CancellationError.self) { try await call.value }
      await cancelled.wait()
    }
  }

  @Test("a handler that gives up is CANCELLED")
  func handlerCancelled() async throws {
    try await Loopback.with(answer: { _, _ in throw CancellationError() }) { loopback in
      #expect(await loopback.failure()?.code == .cancelled)
    }
  }

  @Test("the scope's request id, trace and deadline travel on")
  func propagation() async throws {
    let seen = Event()
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    try await Loopback.with(answer: { _, context in
      #expect(context.requestID == "r-7")
      #expect(context.traceparent == trace)
      let deadline = try #require(context.deadline)
      #expect(deadline.remaining < .seconds(31))
      #expect(CallScope.current?.requestID == "r-7")
      seen.happen()
      return []
    }) { loopback in
      let outer = CallContext(
        method: ProbeService.call, metadata: ["x-request-id": "r-7", "traceparent": trace])
      try await CallScope.$current.withValue(outer) {
        try await Deadline.$current.withValue(.after(.seconds(30))) {
          _ = try await loopback.call([], options: CallOptions(attemptDeadline: nil))
        }
      }
      await seen.wait()
    }
  }

  @Test("an unavailable server is tried three times, unless it says that it has tried enough")
  func retries() async throws {
    let attempts = Counter()
    let quick = RetryPolicy(attemptsMax: 3, pause: .zero)
    try await Loopback.with(answer: { bytes, _ in
      let isFinal = bytes == [1]
      if attempts.increment() == 3, !isFinal { return [9] }
      throw Failure(.databaseUnavailable, "away", retriesExhausted: isFinal)
    }) { loopback in
      let answer = try await loopback.call([0], options: CallOptions(retry: quick))
      #expect(answer == [9])
      #expect(attempts.count == 3)
      #expect(await loopback.failure([1], options: CallOptions(retry: quick))?.pushback == .never)
      #expect(attempts.count == 4)
    }
  }

  @Test("an attempt that takes too long is made again within the call's deadline")
  func attemptDeadline() async throws {
    let attempts = Counter()
    try await Loopback.with(answer: { _, _ in
      if attempts.increment() == 1 { try await Task.sleep(for: .seconds(3_600)) }
      return [1]
    }) { loopback in
      let options = CallOptions(
        attemptDeadline: .milliseconds(100), retry: RetryPolicy(attemptsMax: 100, pause: .zero))
      let answer = try await loopback.call([], options: options)
      #expect(answer == [1])
      #expect(attempts.count >= 2)
    }
  }

  @Test("client interceptors run in order around every kind of call, and may change its metadata")
  func clientInterceptor() async throws {
    struct Sign: ClientInterceptor {
      let text: String
      let calls: Counter
      func intercept<R: Sendable>(
        _ call: ClientCallHead, next: (ClientCallHead) async throws -> R
      ) async throws -> R {
        var signed = call
        signed.metadata.replace("signature", (call.metadata["signature"] ?? "") + text)
        calls.increment()
        return try await next(signed)
      }
    }
    let calls = Counter()
    try await Loopback.with(
      clientInterceptors: [Sign(text: "a", calls: calls), Sign(text: "b", calls: calls)],
      answer: { bytes, context in
        context.trailers.append("seen", context.metadata["signature"] ?? "")
        return bytes
      }
    ) { loopback in
      let response = try await loopback.channel.unaryResponse(ProbeService.call, [7])
      #expect(response.message == [7])
      #expect(response.trailers["seen"] == "ab")
      try await loopback.channel.stream(ProbeService.call) { requests, responses in
        try await requests.write([8])
        try await requests.finish()
        for try await message in responses { #expect(message == [8]) }
        #expect(responses.trailers?["seen"] == "ab")
      }
      #expect(calls.count == 4)
    }
  }

  @Test("metadata that must not be sent fails the call")
  func unsendable() async throws {
    try await Loopback.with { loopback in
      let error = await loopback.failure(options: CallOptions(metadata: ["grpc-status": "0"]))
      #expect(error?.code == .internal)
    }
  }

  @Test("an answer above the channel's limit is refused, and so is a request", arguments: [100, 101])
  func limits(size: Int) async throws {
    let small = RPCChannelConfiguration(messageBytesMax: 100)
    try await Loopback.with(channel: small, answer: { _, _ in Array(repeating: 1, count: size) }) { loopback in
      #expect(await loopback.failure()?.code == (size == 100 ? nil : .resourceExhausted))
    }
    let narrow = RPCChannelConfiguration(sentMessageBytesMax: 100)
    try await Loopback.with(channel: narrow) { loopback in
      let error = await loopback.failure(Array(repeating: 1, count: size))
      #expect(error?.code == (size == 100 ? nil : .resourceExhausted))
    }
  }

  @Test("a target that nobody serves is UNAVAILABLE, and one that cannot be read too")
  func unreachable() async throws {
    var port = 0
    try await Loopback.with { port = $0.port }  // Was free a moment ago, and is again.
    for target in ["127.0.0.1:\(port)", "nonsense"] {
      let channel = RPCChannel(target: target, logger: quiet)
      await #expect(throws: RPCError.self) {
        try await channel.unary(ProbeService.call, [], options: CallOptions(retry: .none))
      }
      await channel.close()
    }
  }

  @Test("the first address that answers is used")
  func addressList() async throws {
    var dead = 0
    try await Loopback.with { dead = $0.port }
    try await Loopback.with { loopback in
      let channel = RPCChannel(target: "127.0.0.1:\(dead),127.0.0.1:\(loopback.port)", logger: quiet)
      let answer = try await channel.unary(ProbeService.call, [5])
      #expect(answer == [5])
      await channel.close()
    }
  }

  @Test("a closed channel takes no calls")
  func closed() async throws {
    try await Loopback.with { loopback in
      _ = try await loopback.call([])
      await loopback.channel.close()
      #expect(await loopback.failure()?.code == .unavailable)
    }
  }
}
