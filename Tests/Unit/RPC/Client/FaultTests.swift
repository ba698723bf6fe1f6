import Kernel
import NIOCore
import Testing

@testable import HTTP2
@testable import RPC
@testable import Transport

/// Servers that stop, refuse, vanish or talk nonsense.
@Suite("RPC under faults", .timeLimit(.minutes(1)))
struct FaultTests {
  private func withScript(
    _ script: @escaping @Sendable (HTTP2Stream, Int) -> Void,
    _ body: (RPCChannel, HTTP2Server, Counter) async throws -> Void
  ) async throws {
    let streams = Counter()
    let server = HTTP2Server(host: "127.0.0.1", port: 0) { _ in ScriptedAcceptor(streams: streams, script: script) }
    let port = try await server.start().port
    let channel = RPCChannel(target: "127.0.0.1:\(port)", logger: quiet)
    let result: Result<Void, any Error>
    do { result = .success(try await body(channel, server, streams)) } catch { result = .failure(error) }
    await channel.close(within: .zero)
    await server.shutdownGracefully(within: .zero)
    try result.get()
  }

  private func status(_ channel: RPCChannel) async -> RPCError? {
    do {
      _ = try await channel.unary(ProbeService.call, [], options: CallOptions(retry: .none))
      return nil
    } catch {
      return error as? RPCError
    }
  }

  private static let succeed: @Sendable (HTTP2Stream) -> Void = { stream in
    stream.send(headers: WireHeaders.responseHead)
    stream.send(Framing.frame([]))
    stream.finish(trailers: WireHeaders.okTrailers)
  }

  @Test("a refused stream is sent again without anybody noticing")
  func refusedStream() async throws {
    try await withScript { stream, number in
      if number == 1 { stream.reset(.refusedStream) } else { FaultTests.succeed(stream) }
    } _: { channel, _, streams in
      #expect(await status(channel) == nil)
      #expect(streams.count == 2)
    }
  }

  @Test(
    "a reset stream has the status that gRPC gives its code",
    arguments: [
      (.cancel, .cancelled), (.internalError, .internal), (.enhanceYourCalm, .resourceExhausted),
      (.noError, .internal), (.inadequateSecurity, .permissionDenied),
    ] as [(HTTP2ErrorCode, StatusCode)])
  func resetStream(code: HTTP2ErrorCode, expected: StatusCode) async throws {
    try await withScript { stream, _ in
      stream.reset(code)
    } _: { channel, _, _ in
      #expect(await status(channel)?.code == expected)
    }
  }

  @Test(
    "an HTTP status without a gRPC status is mapped",
    arguments: [
      ("400", .internal), ("401", .unauthenticated), ("403", .permissionDenied), ("404", .unimplemented),
      ("429", .unavailable), ("503", .unavailable), ("500", .unknown), ("200", .unknown),
    ] as [(String, StatusCode)])
  func httpStatus(http: String, expected: StatusCode) async throws {
    try await withScript { stream, number in
      let head = HeaderList([(":status", http), ("content-type", "text/html")])
      stream.send(headers: head, isEnd: number == 1)
      guard number > 1 else { return }
      stream.send(Array("<html>".utf8))
      stream.finish()
    } _: { channel, _, _ in
      #expect(await status(channel)?.code == expected)
      #expect(await status(channel)?.code == expected)
    }
  }

  @Test("an answer without a message, or with two, is not taken for one", arguments: [0, 2])
  func cardinality(messages: Int) async throws {
    try await withScript { stream, _ in
      stream.send(headers: WireHeaders.responseHead)
      for _ in 0..<messages { stream.send(Framing.frame([1])) }
      stream.finish(trailers: WireHeaders.okTrailers)
    } _: { channel, _, _ in
      #expect(await status(channel)?.code == .unimplemented)
    }
  }

  @Test("a lost connection is UNAVAILABLE, and the next call opens another")
  func lostConnection() async throws {
    let began = Event()
    try await withScript { stream, number in
      if number == 1 { began.happen() } else { FaultTests.succeed(stream) }
    } _: { channel, server, _ in
      async let first = status(channel)
      await began.wait()
      await server.shutdownGracefully(within: .zero)
      #expect(await first?.code == .unavailable)
      #expect(await status(channel)?.code == .unavailable)
    }
  }

  @Test("a stop lets the call under way finish and takes no new one")
  func gracefulStop() async throws {
    let (began, mayFinish) = (Event(), Event())
    try await Loopback.with(answer: { bytes, _ in
      guard bytes == [1] else { return bytes }
      began.happen()
      await mayFinish.wait()
      return bytes
    }) { loopback in
      async let slow = loopback.call([1], options: CallOptions(attemptDeadline: nil, retry: .none))
      await began.wait()
      async let stopped: Void = loopback.server.shutdownGracefully(within: .seconds(30))
      // The stop has begun somewhere between two of these calls; each of them is answered or refused, never lost.
      var refusal: RPCError?
      for _ in 0..<100_000 where refusal == nil { refusal = await loopback.failure([2]) }
      #expect(refusal?.code == .unavailable)
      mayFinish.happen()
      let late = try await slow
      #expect(late == [1])
      await stopped
    }
  }

  @Test("a stop that runs out of time cancels what is left")
  func impatientStop() async throws {
    let (began, cancelled) = (Event(), Event())
    try await Loopback.with(answer: { _, _ in try await untilCancelled(began: began, cancelled: cancelled) }) {
      loopback in
      async let failure = loopback.failure()
      await began.wait()
      await loopback.server.shutdownGracefully(within: .milliseconds(10))
      await cancelled.wait()
      #expect(await failure?.code == .unavailable)
    }
  }

  @Test("a call that waits for readiness is answered when the server comes")
  func waitsForReady() async throws {
    var port = 0
    try await Loopback.with { port = $0.port }
    let backoff = ConnectionBackoff(
      initial: .milliseconds(10), multiplier: 1, max: .milliseconds(10), jitter: 0, promptSpacing: .milliseconds(10))
    let channel = RPCChannel(
      target: "127.0.0.1:\(port)", configuration: RPCChannelConfiguration(backoff: backoff), logger: quiet)
    async let answer = channel.unary(
      ProbeService.call, [3], options: CallOptions(attemptDeadline: nil, waitsForReady: true))
    let refused = await #expect(throws: RPCError.self) {
      try await channel.unary(ProbeService.call, [], options: CallOptions(retry: .none))
    }
    #expect(refused?.code == .unavailable)

    let server = RPCServer(
      RPCServerConfiguration(host: "127.0.0.1", port: port), services: [ProbeService { bytes, _ in bytes }],
      logger: quiet)
    _ = try await server.start()
    #expect(try await answer == [3])
    await channel.close()
    await server.shutdownGracefully(within: .zero)
  }
}
