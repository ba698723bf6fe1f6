internal import Synchronization

/// The messages of one side of a call, in order, for one consumer.
///
/// Iterating applies backpressure: the peer may send further messages as these are taken. `next` throws
/// `CancellationError` once the call is over before its time.
public struct MessageStream<Element: Sendable>: AsyncSequence, Sendable {
  public typealias Failure = any Error

  public struct AsyncIterator: AsyncIteratorProtocol {
    fileprivate let take: @Sendable () async throws -> Element?

    public mutating func next() async throws -> Element? { try await take() }
  }

  private let take: @Sendable () async throws -> Element?

  /// A stream of what `next` returns, until it returns nil.
  public init(_ next: @escaping @Sendable () async throws -> Element?) {
    take = next
  }

  /// A stream of messages that are all there already.
  public init(_ elements: [Element]) {
    let rest = Rest(elements)
    take = { rest.next() }
  }

  public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(take: take) }

  /// The next message; nil after the last one. The same as asking an iterator.
  func next() async throws -> Element? { try await take() }

  private final class Rest: Sendable {
    private let elements: [Element]
    private let position = Mutex(0)

    init(_ elements: [Element]) {
      self.elements = elements
    }

    func next() -> Element? {
      position.withLock { position in
        guard position < elements.count else { return nil }
        defer { position += 1 }
        return elements[position]
      }
    }
  }
}

/// Sends a streaming handler's answers.
public struct ResponseWriter<Element: Sendable>: Sendable {
  private let send: @Sendable (Element, _ compressed: Bool?) async throws -> Void
  private let sendHead: @Sendable () async throws -> Void

  /// A writer that gives its messages to `write`, and the wish to send the headers early to `sendHeaders`.
  public init(
    _ write: @escaping @Sendable (Element, _ compressed: Bool?) async throws -> Void,
    sendHeaders: @escaping @Sendable () async throws -> Void = {}
  ) {
    send = write
    sendHead = sendHeaders
  }

  /// Sends a message. Waits while the caller or the connection is not keeping up.
  ///
  /// `compressed` decides for this message; nil leaves it to the call (`CallContext.compressResponses`). Throws
  /// `CancellationError` once the call is over, and RESOURCE_EXHAUSTED for a message above the limit.
  public func write(_ message: Element, compressed: Bool? = nil) async throws {
    try await send(message, compressed)
  }

  /// Sends the headers (`CallContext.headers`) now, without waiting for the first message.
  public func sendHeaders() async throws {
    try await sendHead()
  }

  /// A writer of other messages, which become these.
  func map<Other: Sendable>(_ convert: @escaping @Sendable (Other) throws -> Element) -> ResponseWriter<Other> {
    ResponseWriter<Other>(
      { [send] message, compressed in try await send(try convert(message), compressed) }, sendHeaders: sendHead)
  }
}
