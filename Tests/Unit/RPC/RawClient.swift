import NIOCore
import NIOPosix

@testable import HTTP2
@testable import Transport

/// What came back on one stream.
struct RawAnswer: Sendable {
  var head = HeaderList()
  var body: [UInt8] = []
  var trailers = HeaderList()
  var closure = StreamClosure.finished

  var httpStatus: String? { head.first(":status") }
  var grpcStatus: String? { trailers.first("grpc-status") ?? head.first("grpc-status") }
}

/// A client that sends what it is told, right or wrong.
final class RawClient: ConnectionOwner, @unchecked Sendable {  // Touched on the connection's loop only.
  private let ready = Event()
  private let isClosed = Event()
  private(set) var connection: HTTP2Connection?

  static func connect(port: Int) async throws -> RawClient {
    let client = RawClient()
    let loop = MultiThreadedEventLoopGroup.singleton.next()
    do {
      try await HTTP2Connector.connect(
        host: "127.0.0.1", port: port, on: loop, configuration: ConnectionConfiguration(), timeout: .seconds(5)
      ).map { connection in
        client.connection = connection
        connection.belong(to: client)
      }.get()
    } catch TransportFailure.connect(_, _, reason: "the server closed the connection at once") {
      // It can be so fast that there is nothing to hold any more.
      client.isClosed.happen()
      client.ready.happen()
    }
    await client.ready.wait()
    return client
  }

  static func headers(_ changes: [(String, String)] = [], path: String = "/test.v1.Probe/Call") -> HeaderList {
    var fields = [
      (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "test"), ("te", "trailers"),
      ("content-type", "application/grpc"),
    ]
    for change in changes {
      fields.removeAll { $0.0 == change.0 }
      if change.0.hasPrefix(":") { fields.insert(change, at: 0) } else { fields.append(change) }
    }
    return HeaderList(fields)
  }

  /// Sends a request; with `body` nil it stays open behind `unfinished`, and only the server can end it.
  func call(_ headers: HeaderList, body: [UInt8]?, unfinished: [UInt8] = []) async throws -> RawAnswer {
    try await withCheckedThrowingContinuation { continuation in
      guard let connection else { return continuation.resume(throwing: TransportFailure.connectionClosed) }
      connection.executor.eventLoop.execute {
        do {
          let handler = RawHandler { continuation.resume(returning: $0) }
          handler.stream = try connection.open(headers, body: body, handler: handler)
          if !unfinished.isEmpty { handler.stream?.send(unfinished) }
        } catch {
          continuation.resume(throwing: error)
        }
      }
    }
  }

  /// False when the server closed the connection before it was ready.
  var isOpen: Bool { !isClosed.hasHappened }

  func close() {
    guard let connection else { return }
    connection.executor.eventLoop.execute { connection.close() }
  }

  func settingsChanged(_ connection: HTTP2Connection) { ready.happen() }
  func streamClosed(_ connection: HTTP2Connection) {}
  func goingAway(_ connection: HTTP2Connection) {}
  func closed(_ connection: HTTP2Connection) {
    isClosed.happen()
    ready.happen()
  }
}

private final class RawHandler: StreamHandler, @unchecked Sendable {  // Touched on the connection's loop only.
  var stream: HTTP2Stream?
  private var answer = RawAnswer()
  private let done: (RawAnswer) -> Void

  init(done: @escaping (RawAnswer) -> Void) {
    self.done = done
  }

  func received(headers: HeaderList, isEnd: Bool) { answer.head = headers }
  func receivedOversizedHeaders(isEnd: Bool) {}
  func received(data bytes: RawSpan, isEnd: Bool) {
    bytes.withUnsafeBytes { answer.body.append(contentsOf: $0) }
    stream?.consumed(bytes.byteCount)
  }
  func received(trailers: HeaderList) { answer.trailers = trailers }
  func closed(_ reason: StreamClosure) {
    answer.closure = reason
    done(answer)
  }
}

/// A server whose streams are answered by closures of the test.
final class ScriptedAcceptor: StreamAcceptor {
  private let script: @Sendable (HTTP2Stream, Int) -> Void
  private let streams: Counter

  init(streams: Counter, script: @escaping @Sendable (HTTP2Stream, Int) -> Void) {
    self.streams = streams
    self.script = script
  }

  func accept(_ stream: HTTP2Stream) -> any StreamHandler {
    Scripted(stream: stream, number: streams.increment(), script: script)
  }

  /// Runs the script when the request has ended; streams are numbered from 1 over all connections.
  private final class Scripted: StreamHandler {
    private let stream: HTTP2Stream
    private let number: Int
    private let script: @Sendable (HTTP2Stream, Int) -> Void

    init(stream: HTTP2Stream, number: Int, script: @escaping @Sendable (HTTP2Stream, Int) -> Void) {
      self.stream = stream
      self.number = number
      self.script = script
    }

    func received(headers: HeaderList, isEnd: Bool) { if isEnd { script(stream, number) } }
    func receivedOversizedHeaders(isEnd: Bool) {}
    func received(data bytes: RawSpan, isEnd: Bool) {
      stream.consumed(bytes.byteCount)
      if isEnd { script(stream, number) }
    }
    func received(trailers: HeaderList) { script(stream, number) }
    func closed(_ reason: StreamClosure) {}
  }
}
