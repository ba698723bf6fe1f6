import Kernel
import NIOCore
import NIOPosix
import Testing

@testable import HTTP2
@testable import RPC
@testable import Transport

/// Reads only when it is told to, and then little at a time.
private final class SlowReader: ChannelDuplexHandler, @unchecked Sendable {  // Touched on its channel's loop only.
  typealias InboundIn = ByteBuffer
  typealias OutboundIn = ByteBuffer

  private var isHeld = false
  private var isAsked = false
  private var context: ChannelHandlerContext?

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }
  func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

  func read(context: ChannelHandlerContext) {
    if isHeld { isAsked = true } else { context.read() }
  }

  func hold() { isHeld = true }

  func release() {
    isHeld = false
    if isAsked { context?.read() }
  }
}

/// Waits for SETTINGS.
private final class Owner: ConnectionOwner, Sendable {
  let ready = Event()
  let goAway = Event()

  func settingsChanged(_ connection: HTTP2Connection) { ready.happen() }
  func streamClosed(_ connection: HTTP2Connection) {}
  func goingAway(_ connection: HTTP2Connection) { goAway.happen() }
  func closed(_ connection: HTTP2Connection) { ready.happen() }
}

private final class Collector: StreamHandler {
  private var bodyBytes = 0
  private var status: String?
  private let stream: () -> HTTP2Stream?
  private let done: (Int, String?, StreamClosure) -> Void

  init(stream: @escaping () -> HTTP2Stream?, done: @escaping (Int, String?, StreamClosure) -> Void) {
    self.stream = stream
    self.done = done
  }

  func received(headers: HeaderList, isEnd: Bool) {}
  func receivedOversizedHeaders(isEnd: Bool) {}
  func received(data bytes: RawSpan, isEnd: Bool) {
    bodyBytes += bytes.byteCount
    stream()?.consumed(bytes.byteCount)
  }
  func received(trailers: HeaderList) { status = trailers.first("grpc-status") }
  func closed(_ reason: StreamClosure) { done(bodyBytes, status, reason) }
}

@Suite("Drain", .timeLimit(.minutes(1)))
struct DrainTests {
  private static let answerBytes = 12 << 20

  // Goal: nothing of an answer is lost when its last byte has left the engine but not the process. Method: the answer
  // is larger than what the kernel takes, and the client reads nothing until the server has been told to stop; it
  // sends window updates while it reads, which a closed socket would answer with a reset.
  @Test("a stop lets a slow reader have the whole answer and the GOAWAY")
  func slowReader() async throws {
    try await Loopback.with(
      limits: { $0.sentMessageBytesMax = DrainTests.answerBytes },
      answer: { _, _ in [UInt8](repeating: 7, count: DrainTests.answerBytes - 5) }
    ) { loopback in
      let reader = SlowReader()
      let owner = Owner()
      let connection = try await connect(loopback.port, reader)
      connection.executor.eventLoop.execute { connection.belong(to: owner) }
      await owner.ready.wait()

      let asked = Event()
      async let answer = call(on: connection, reader, asked)
      await asked.wait()
      async let stopped: Void = loopback.server.shutdownGracefully(within: .seconds(30))
      connection.executor.eventLoop.execute { reader.release() }

      let (bodyBytes, status, closure) = await answer
      #expect(bodyBytes == DrainTests.answerBytes)
      #expect(status == "0")
      #expect(closure == .finished)
      await owner.goAway.wait()
      await stopped
    }
  }

  private func connect(_ port: Int, _ reader: SlowReader) async throws -> HTTP2Connection {
    var configuration = ConnectionConfiguration()
    configuration.http2.streamWindowBytes = 6 << 20
    let settings = configuration
    return try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton.next())
      .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 16 << 10))
      .channelOption(.maxMessagesPerRead, value: 1)
      .channelOption(.socketOption(.so_rcvbuf), value: 16 << 10)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(reader)
          let connection = try HTTP2Connection(eventLoop: channel.eventLoop, configuration: settings)
          try channel.pipeline.syncOperations.addHandler(connection)
        }
      }
      .connect(host: "127.0.0.1", port: port)
      .flatMapThrowing { try $0.pipeline.syncOperations.handler(type: HTTP2Connection.self) }
      .get()
  }

  /// Makes the call and stops reading with it.
  private func call(
    on connection: HTTP2Connection, _ reader: SlowReader, _ asked: Event
  ) async -> (bodyBytes: Int, status: String?, closure: StreamClosure) {
    await withCheckedContinuation { continuation in
      connection.executor.eventLoop.execute {
        reader.hold()
        nonisolated(unsafe) var stream: HTTP2Stream?  // Touched on the loop only.
        let handler = Collector(stream: { stream }) { continuation.resume(returning: ($0, $1, $2)) }
        do {
          stream = try connection.open(RawClient.headers(), body: Framing.frame([]), handler: handler)
        } catch {
          continuation.resume(returning: (0, nil, .connectionLost))
        }
        asked.happen()
      }
    }
  }
}
