/// The requests of a streaming call, as the caller sends them.
///
/// `write` suspends while the server or the connection is not keeping up. Writers of several tasks take turns.
public struct RequestWriter<Element: Sendable>: Sendable {
  private let writeOne: @Sendable (Element, _ compressed: Bool?) async throws -> Void
  private let finishAll: @Sendable () async throws -> Void

  /// Made by channels; by tests to see what code writes.
  public init(
    write: @escaping @Sendable (Element, _ compressed: Bool?) async throws -> Void,
    finish: @escaping @Sendable () async throws -> Void
  ) {
    writeOne = write
    finishAll = finish
  }

  /// Sends a message. `compressed` nil goes by the call's options; true without an encoding there means nothing.
  ///
  /// Throws the call's `RPCError` once it has failed, `RequestsEnded` once it has succeeded without wanting more or
  /// `finish` was called, and `CancellationError` if the task is cancelled; the message may have been sent then.
  public func write(_ message: Element, compressed: Bool? = nil) async throws {
    try await writeOne(message, compressed)
  }

  /// Says that no further message follows. Without effect when repeated or when the call is over.
  public func finish() async throws {
    try await finishAll()
  }
}

/// A message was written to a call that takes none: its requests were finished, or the server has given its whole
/// answer, which can still be read.
public struct RequestsEnded: Error, Hashable, Sendable, CustomStringConvertible {
  public init() {}

  public var description: String { "the call takes no further message" }
}

/// The answers of a streaming call, in order, for one reader.
///
/// Taking a message gives its bytes back to the server's window. The sequence ends when the call has succeeded; when
/// it ends otherwise, iterating throws its `RPCError`, behind the messages that had arrived.
public struct ResponseStream<Element: Sendable>: AsyncSequence, Sendable {
  public typealias Failure = any Error

  private let nextOne: @Sendable () async throws -> Element?
  private let head: @Sendable () async throws -> Metadata
  private let tail: @Sendable () -> Metadata?

  /// Made by channels; by tests to feed code that reads.
  public init(
    headers: @escaping @Sendable () async throws -> Metadata = { [:] },
    trailers: @escaping @Sendable () -> Metadata? = { nil },
    next: @escaping @Sendable () async throws -> Element?
  ) {
    nextOne = next
    head = headers
    tail = trailers
  }

  /// The metadata in front of the first message: waits for it. Throws the call's `RPCError` if there was none, and
  /// `CancellationError`.
  public var headers: Metadata { get async throws { try await head() } }

  /// The metadata behind the last message; nil until the call has ended.
  public var trailers: Metadata? { tail() }

  /// The same stream with every message, and every error that is not of the change itself, made into something else.
  public func converted<Mapped: Sendable>(
    _ change: @escaping @Sendable (Element) throws -> Mapped,
    errors: @escaping @Sendable (any Error) -> any Error = { $0 }
  ) -> ResponseStream<Mapped> {
    ResponseStream<Mapped>(
      headers: {
        do { return try await head() } catch { throw errors(error) }
      },
      trailers: tail,
      next: {
        let element: Element?
        do { element = try await nextOne() } catch { throw errors(error) }
        return try element.map(change)
      })
  }

  public struct AsyncIterator: AsyncIteratorProtocol {
    fileprivate let nextOne: @Sendable () async throws -> Element?

    public mutating func next() async throws -> Element? { try await nextOne() }
  }

  public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(nextOne: nextOne) }
}
