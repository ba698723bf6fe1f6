public import Kernel
internal import Synchronization

/// Names a value that an interceptor leaves in a `CallContext` for those behind it.
public protocol CallContextKey {
  associatedtype Value: Sendable
}

/// Everything a handler may want to know about the call it answers.
///
/// A value: an interceptor changes its own copy and passes it on. Copies are cheap, because what never changes
/// during a call is shared.
public struct CallContext: Sendable {
  private let call: CallRecord
  private var values: [(key: ObjectIdentifier, value: any Sendable)] = []

  public init(
    method: MethodDescriptor, metadata: Metadata = [:], peer: String = "", deadline: Deadline? = nil,
    requestID: String? = nil
  ) {
    call = CallRecord(
      method: method, metadata: metadata, peer: peer, deadline: deadline,
      requestID: requestID ?? RequestIdentity.accepted(metadata["x-request-id"]) ?? RequestIdentity.make())
  }

  public var method: MethodDescriptor { call.method }
  /// The request's metadata.
  public var metadata: Metadata { call.metadata }
  /// The other end's address, `host:port`.
  public var peer: String { call.peer }
  /// When the caller stops waiting; nil if it waits forever.
  public var deadline: Deadline? { call.deadline }
  /// The correlation id: the caller's `x-request-id`, or one made here. Never an idempotency key.
  public var requestID: String { call.requestID }
  /// The W3C trace context, as the caller sent it; nil if it is malformed.
  public var traceparent: String? { RequestIdentity.acceptedTrace(call.metadata["traceparent"]) }
  /// Metadata to send after the answer.
  public var trailers: ResponseMetadata { ResponseMetadata(call: call) }

  /// Tells the call's log line who called. Said by whoever finds out, for those further out who could not know.
  public func note(caller: String) {
    call.notedCaller.withLock { $0 = caller }
  }

  /// What `note(caller:)` was told.
  public var notedCaller: String? { call.notedCaller.withLock { $0 } }

  /// True once an interceptor has left something.
  var hasValues: Bool { !values.isEmpty }

  /// What an interceptor left under the key.
  public subscript<Key: CallContextKey>(_ key: Key.Type) -> Key.Value? {
    get {
      let wanted = ObjectIdentifier(key)
      for entry in values where entry.key == wanted { return entry.value as? Key.Value }
      return nil
    }
    set {
      let wanted = ObjectIdentifier(key)
      values.removeAll { $0.key == wanted }
      if let newValue { values.append((wanted, newValue)) }
    }
  }
}

/// The call that the running task answers.
public enum CallScope {
  /// Bound around every handler; calls made in its task forward the request id, the trace and the deadline.
  @TaskLocal public static var current: CallContext?
}

/// The metadata that will follow a call's answer. Safe from any task of the call.
public struct ResponseMetadata: Sendable {
  fileprivate let call: CallRecord

  public func append(_ name: String, _ value: String) {
    call.trailers.withLock { $0.append(name, value) }
  }

  public var collected: Metadata { call.trailers.withLock { $0 } }
}

/// The part of a call's context that never changes, shared by all copies of it.
private final class CallRecord: Sendable {
  let method: MethodDescriptor
  let metadata: Metadata
  let peer: String
  let deadline: Deadline?
  let requestID: String
  let trailers = Mutex(Metadata())
  let notedCaller = Mutex<String?>(nil)

  init(method: MethodDescriptor, metadata: Metadata, peer: String, deadline: Deadline?, requestID: String) {
    self.method = method
    self.metadata = metadata
    self.peer = peer
    self.deadline = deadline
    self.requestID = requestID
  }
}
