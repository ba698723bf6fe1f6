public import Messages

/// What a server says about trying a call again (`grpc-retry-pushback-ms`).
public enum RetryPushback: Hashable, Sendable {
  /// Every attempt of every layer below has been made: do not try again.
  case never
  case after(Duration)
}

/// A call that did not succeed, as it stands on the wire: the status and what came with it.
public struct RPCError: Error, Sendable {
  public var code: StatusCode
  /// For people; may change.
  public var message: String
  /// The rich half of the status (`google.rpc.Status.details`).
  public var details: [GoogleProtobuf.`Any`]
  /// The trailing metadata of the failed call.
  public var metadata: Metadata
  public var pushback: RetryPushback?

  public init(
    _ code: StatusCode, _ message: String, details: [GoogleProtobuf.`Any`] = [], metadata: Metadata = [:],
    pushback: RetryPushback? = nil
  ) {
    self.code = code
    self.message = message
    self.details = details
    self.metadata = metadata
    self.pushback = pushback
  }
}

extension RPCError: CustomStringConvertible {
  public var description: String { "\(code): \(message)" }
}
