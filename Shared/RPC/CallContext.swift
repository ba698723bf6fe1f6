public import Kernel
internal import Synchronization
public import Transport

/// Names a value that an interceptor leaves in a `CallContext` for those behind it.
public protocol CallContextKey {
  associatedtype Value: Sendable
}

/// Everything a handler may want to know about the call it answers.
///
/// A value: an interceptor changes its own copy and passes it on. Copies are cheap, because what never changes
/// during a call is shared.
public struct CallContext: Sendable {
  let call: CallRecord
  private var values: ContextValue?

  /// Of a call that came over no connection of ours; `peer` is for the log.
  public init(
    method: MethodDescriptor, metadata: Metadata = [:], peer: String = "", deadline: Deadline? = nil,
    requestID: String? = nil
  ) {
    self.init(
      method: method, metadata: metadata, remote: ConnectionPeer(address: peer), deadline: deadline,
      requestID: requestID)
  }

  public init(
    method: MethodDescriptor, metadata: Metadata, remote: ConnectionPeer, deadline: Deadline? = nil,
    requestID: String? = nil, lag: Duration = .zero, isConnectionNearlyFull: Bool = false
  ) {
    call = CallRecord(
      method: method, metadata: metadata, remote: remote, started: .now, deadline: deadline,
      requestID: requestID ?? RequestIdentity.accepted(metadata["x-request-id"]), lag: lag)
    if isConnectionNearlyFull { call.noteNearlyFullConnection() }
  }

  /// The context of a call that has come over a connection. Without an `x-request-id` in `metadata`, `isNamed` is false
  /// and the id is made when somebody asks for it.
  init(
    _ method: MethodDescriptor, _ metadata: Metadata, remote: ConnectionPeer, started: ContinuousClock.Instant,
    deadline: Deadline?, isNamed: Bool
  ) {
    call = CallRecord(
      method: method, metadata: metadata, remote: remote, started: started, deadline: deadline,
      requestID: isNamed ? RequestIdentity.accepted(metadata["x-request-id"]) : nil, lag: .zero)
  }

  public var method: MethodDescriptor { call.method }
  /// The request's metadata.
  public var metadata: Metadata { call.metadata }
  /// The other end's address, `host:port`.
  public var peer: String { call.remote.address }
  /// The other end of the connection.
  public var remote: ConnectionPeer { call.remote }
  /// Who the other end's verified certificate says it is; nil without TLS.
  public var peerIdentity: PeerIdentity? { call.remote.identity }
  /// When the caller stops waiting; nil if it waits forever.
  public var deadline: Deadline? { call.deadline }
  /// When the call was begun.
  public var started: ContinuousClock.Instant { call.started }
  /// How late its event loop came to the call, because other handlers keep the loop behind; zero if it is not behind.
  public var lag: Duration { call.lag }
  /// Whether so many calls of its connection are under way that the client is about to hold further ones back, out of
  /// our sight, until their deadlines pass.
  public var isConnectionNearlyFull: Bool { call.isConnectionNearlyFull }
  /// The correlation id: the caller's `x-request-id`, or one made here. Never an idempotency key.
  public var requestID: String { call.requestID }
  /// The W3C trace context, as the caller sent it; nil if it is malformed.
  public var traceparent: String? { RequestIdentity.acceptedTrace(call.metadata["traceparent"]) }
  /// Metadata to send in front of the answer: with its first message, or with its end if it has none.
  public var headers: ResponseMetadata { ResponseMetadata(call: call, place: .headers) }
  /// Metadata to send after the answer.
  public var trailers: ResponseMetadata { ResponseMetadata(call: call, place: .trailers) }

  /// Says whether the messages of the answer are compressed, if the caller accepts that at all. A call that may
  /// compress says so before its first message, because the head names the encoding; single messages of a stream
  /// may then differ (`ResponseWriter.write`).
  public func compressResponses(_ on: Bool) {
    call.note { $0.compressesResponses = on }
  }

  /// What `compressResponses` was told; nil leaves it to the server's configuration.
  public var compressesResponses: Bool? { call.notes?.compressesResponses }

  /// Whether the request's last message that was read came compressed.
  public var isRequestCompressed: Bool { call.notes?.isRequestCompressed ?? false }

  func noteRequest(isCompressed: Bool) {
    call.note { $0.isRequestCompressed = isCompressed }
  }

  /// Tells the call's log line who called. Said by whoever finds out, for those further out who could not know.
  public func note(caller: String) {
    call.note { $0.notedCaller = caller }
  }

  /// What `note(caller:)` was told.
  public var notedCaller: String? { call.notes?.notedCaller }

  /// True once an interceptor has left something.
  var hasValues: Bool { values != nil }

  /// What an interceptor left under the key.
  public subscript<Key: CallContextKey>(_ key: Key.Type) -> Key.Value? {
    get {
      let wanted = ObjectIdentifier(key)
      var next = values
      while let value = next {
        // A cast that asks at run time costs as much as the rest of a gate. Debug builds check this one.
        if value.key == wanted { return unsafeDowncast(value, to: KeyedValue<Key>.self).value }
        next = value.earlier
      }
      return nil
    }
    set { values = KeyedValue<Key>(newValue, values) }
  }
}

/// What interceptors have left, the latest first. It hides what was left earlier under its key.
private class ContextValue: @unchecked Sendable {  // Nothing in it or in its heir changes.
  let key: ObjectIdentifier
  let earlier: ContextValue?

  init(_ key: ObjectIdentifier, _ earlier: ContextValue?) {
    self.key = key
    self.earlier = earlier
  }
}

private final class KeyedValue<Key: CallContextKey>: ContextValue, @unchecked Sendable {
  /// Nil where something earlier was taken away.
  let value: Key.Value?

  init(_ value: Key.Value?, _ earlier: ContextValue?) {
    self.value = value
    super.init(ObjectIdentifier(Key.self), earlier)
  }
}

/// The call that the running task answers.
public enum CallScope {
  /// Bound around every handler; calls made in its task forward the request id, the trace and the deadline.
  @TaskLocal public static var current: CallContext?
}

/// The metadata that will go in front of a call's answer, or follow it. Safe from any task of the call.
public struct ResponseMetadata: Sendable {
  enum Place: Sendable {
    case headers
    case trailers
  }

  fileprivate let call: CallRecord
  fileprivate let place: Place

  /// Adds an entry. Headers that are appended after the head was sent are too late: that is a mistake of the
  /// handler, which traps in debug builds and is without effect in others.
  public func append(_ name: String, _ value: String) {
    change { $0.append(name, value) }
  }

  /// Adds bytes under a name that ends in `-bin`.
  public func appendBinary(_ name: String, _ value: [UInt8]) {
    change { $0.appendBinary(name, value) }
  }

  public var collected: Metadata {
    (place == .headers ? call.notes?.headers : call.notes?.trailers) ?? Metadata()
  }

  private func change(_ edit: (inout Metadata) -> Void) {
    let isLate = call.note { notes in
      switch place {
      case .headers where call.isHeadTaken: return true
      case .headers: edit(&notes.headers)
      case .trailers: edit(&notes.trailers)
      }
      return false
    }
    assert(!isLate, "response headers are appended before the first message is written")
  }
}

/// The part of a call's context that all copies of it share.
final class CallRecord: Sendable {
  /// What is found out or said while the call goes on.
  struct Notes {
    var headers = Metadata()
    var trailers = Metadata()
    var notedCaller: String?
    var requestID: String?
    var compressesResponses: Bool?
    var isRequestCompressed = false
  }

  let method: MethodDescriptor
  let metadata: Metadata
  let remote: ConnectionPeer
  let deadline: Deadline?
  let started: ContinuousClock.Instant
  /// Unsafe, but written before anybody sees the record except the one who writes.
  nonisolated(unsafe) private(set) var lag: Duration
  /// As `lag`.
  nonisolated(unsafe) private(set) var isConnectionNearlyFull = false
  /// Most calls need no notes. Whether there are any is known without the lock.
  private let hasNotes: Atomic<Bool>
  private let storedNotes: Mutex<Notes?>
  private let headTaken = Atomic(false)

  init(
    method: MethodDescriptor, metadata: Metadata, remote: ConnectionPeer, started: ContinuousClock.Instant,
    deadline: Deadline?, requestID: String?, lag: Duration
  ) {
    self.started = started
    self.lag = lag
    self.method = method
    self.metadata = metadata
    self.remote = remote
    self.deadline = deadline
    hasNotes = Atomic(requestID != nil)
    storedNotes = Mutex(requestID.map { Notes(requestID: $0) })
  }

  /// To be called before the handler and what stands in front of it begin.
  func noteLag(_ lag: Duration) { self.lag = lag }

  /// As `noteLag`.
  func noteNearlyFullConnection() { isConnectionNearlyFull = true }

  /// Nil for a call about which nothing was noted.
  var notes: Notes? { hasNotes.load(ordering: .acquiring) ? storedNotes.withLock { $0 } : nil }

  func note<Result: Sendable>(_ edit: (inout Notes) -> Result) -> Result {
    storedNotes.withLock { stored in
      var notes = stored.take() ?? Notes()
      defer {
        stored = notes
        hasNotes.store(true, ordering: .releasing)
      }
      return edit(&notes)
    }
  }

  var requestID: String {
    note { notes in
      if let id = notes.requestID { return id }
      let id = RequestIdentity.make()
      notes.requestID = id
      return id
    }
  }

  /// The head is about to be sent: no further headers are taken.
  func takeHead() { headTaken.store(true, ordering: .releasing) }

  var isHeadTaken: Bool { headTaken.load(ordering: .acquiring) }
}
