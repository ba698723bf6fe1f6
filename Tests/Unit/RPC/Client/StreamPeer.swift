import Kernel
import NIOCore
import Synchronization

@testable import HTTP2
@testable import RPC
@testable import Transport

/// A server that does with each call what the test says, message by message and right or wrong.
final class StreamPeer: Sendable {
  /// What a call did.
  enum Moment: Sendable {
    case head(HeaderList)
    case message([UInt8])
    case end
    case closed(StreamClosure)
  }

  /// One call, on its connection's loop.
  struct Call: Sendable {
    let stream: HTTP2Stream
    /// From 1, over all connections.
    let number: Int

    func head(_ fields: [(String, String)] = []) {
      stream.send(
        headers: HeaderList([(":status", "200"), ("content-type", "application/grpc")] + fields))
    }
    func send(_ message: [UInt8]) { stream.send(Framing.frame(message)) }
    func succeed(_ trailers: [(String, String)] = []) {
      stream.finish(trailers: HeaderList([("grpc-status", "0")] + trailers))
    }
    /// Without a head before it this is the whole answer.
    func fail(_ error: RPCError, isWholeAnswer: Bool = true) {
      let fields = StatusTrailers.fields(of: error, isWholeAnswer: isWholeAnswer)
      if isWholeAnswer { stream.send(headers: fields, isEnd: true) } else { stream.finish(trailers: fields) }
    }
  }

  let port: Int
  let calls: Counter
  let server: HTTP2Server

  /// Starts a server for `body`, and a channel to it.
  static func with(
    settings: ConnectionConfiguration = ConnectionConfiguration(), takesMessages: Bool = true,
    channel configuration: RPCChannelConfiguration = RPCChannelConfiguration(),
    _ script: @escaping @Sendable (Call, Moment) -> Void, _ body: (RPCChannel, StreamPeer) async throws -> Void
  ) async throws {
    let calls = Counter()
    let server = HTTP2Server(host: "127.0.0.1", port: 0, configuration: settings) { _ in
      Acceptor(calls: calls, takesMessages: takesMessages, script: script)
    }
    let peer = StreamPeer(port: try await server.start().port, calls: calls, server: server)
    let channel = RPCChannel(target: "127.0.0.1:\(peer.port)", configuration: configuration, logger: quiet)
    let result: Result<Void, any Error>
    do { result = .success(try await body(channel, peer)) } catch { result = .failure(error) }
    await channel.close(within: .zero)
    await server.shutdownGracefully(within: .zero)
    try result.get()
  }

  private init(port: Int, calls: Counter, server: HTTP2Server) {
    self.port = port
    self.calls = calls
    self.server = server
  }

  private final class Acceptor: StreamAcceptor {
    private let calls: Counter
    private let takesMessages: Bool
    private let script: @Sendable (Call, Moment) -> Void

    init(calls: Counter, takesMessages: Bool, script: @escaping @Sendable (Call, Moment) -> Void) {
      self.calls = calls
      self.takesMessages = takesMessages
      self.script = script
    }

    func accept(_ stream: HTTP2Stream) -> any StreamHandler {
      Handler(call: Call(stream: stream, number: calls.increment()), takesMessages: takesMessages, script: script)
    }
  }

  private final class Handler: StreamHandler {
    private let call: Call
    private let takesMessages: Bool
    private let script: @Sendable (Call, Moment) -> Void
    private var assembler = MessageAssembler(bytesMax: 64 << 20)

    init(call: Call, takesMessages: Bool, script: @escaping @Sendable (Call, Moment) -> Void) {
      self.call = call
      self.takesMessages = takesMessages
      self.script = script
    }

    func received(headers: HeaderList, isEnd: Bool) {
      script(call, .head(headers))
      if isEnd { script(call, .end) }
    }
    func receivedOversizedHeaders(isEnd: Bool) {}
    func received(data bytes: RawSpan, isEnd: Bool) {
      if takesMessages {
        call.stream.consumed(bytes.byteCount)
        var offset = 0
        while let message = try? assembler.next(in: bytes, from: &offset) { script(call, .message(message)) }
      }
      if isEnd { script(call, .end) }
    }
    func received(trailers: HeaderList) { script(call, .end) }
    func closed(_ reason: StreamClosure) { script(call, .closed(reason)) }
  }
}
