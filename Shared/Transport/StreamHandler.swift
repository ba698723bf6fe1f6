public import HTTP2

/// Answers one stream of an HTTP/2 connection (server), or awaits the answer to one (client).
///
/// This is the seam below gRPC: module RPC speaks gRPC through it, module HTTP plain HTTP/2. How to plug in:
///
/// 1. A `StreamAcceptor` makes one handler for each stream that a peer opens.
/// 2. The handler gets `received(headers:…)` once, `received(data:…)` as bytes come in, then perhaps
///    `received(trailers:)`; the last of them says `isEnd`. `closed` is always the last call, exactly once.
/// 3. It answers through its `HTTP2Stream`: `send(headers:)`, `send(data)`, `finish(…)`.
/// 4. Received bytes count against the flow-control windows until `stream.consumed(_:)` gives them back. Bytes
///    that are thrown away must be given back too.
///
/// Every call comes on the connection's event loop and must not block it. Work that waits runs in
/// `Task.immediate(executorPreference: stream.executor)`, which starts at once and comes back to the loop after
/// every suspension, so the same handler may be touched there without locks.
public protocol StreamHandler: AnyObject {
  /// The head. `isEnd` means that no body follows.
  func received(headers: HeaderList, isEnd: Bool)
  /// The head exceeded the limits of the connection, so it was not kept. The stream should be refused.
  func receivedOversizedHeaders(isEnd: Bool)
  /// A piece of the body: `bytes` are good during the call only.
  func received(data bytes: RawSpan, isEnd: Bool)
  /// Trailing fields; nothing follows.
  func received(trailers: HeaderList)
  /// All bytes given to `send` have gone to the socket or its buffer: a writer that waits may go on.
  func drained()
  /// The stream is over. Unless both sides had finished, what still works for it should be cancelled.
  func closed(_ reason: StreamClosure)
}

extension StreamHandler {
  public func drained() {}
}

/// Why a stream is over.
public enum StreamClosure: Hashable, Sendable {
  /// Both sides sent their end.
  case finished
  /// One side sent RST_STREAM.
  case reset(HTTP2ErrorCode)
  /// The peer promised, by GOAWAY or REFUSED_STREAM, that it has done nothing for this stream.
  case refused
  /// This side has ended it, because nobody read what came and other streams needed the room.
  case unread
  /// The connection is gone.
  case connectionLost
}

/// Makes the handlers for the streams that peers open. One per connection, used on its loop.
public protocol StreamAcceptor: AnyObject {
  func accept(_ stream: HTTP2Stream) -> any StreamHandler
  /// What one batch of reads brought has been handed out.
  func readEnded()
  /// The connection has been without streams for a while: what is only kept for the next ones may go.
  func rest()
}

extension StreamAcceptor {
  public func readEnded() {}
  public func rest() {}
}
