/// What a channel, or one address of it, is doing about its connection (gRPC's public list).
public enum ConnectivityState: Sendable, CaseIterable {
  /// No connection, because nobody needs one.
  case idle
  case connecting
  /// Calls go out.
  case ready
  /// The last try failed; another one follows after a pause. Calls that do not wait for readiness fail.
  case transientFailure
  /// Closed for good.
  case shutdown
}

extension ConnectivityState: CustomStringConvertible {
  /// As gRPC's documents write it.
  public var description: String {
    switch self {
    case .idle: "IDLE"
    case .connecting: "CONNECTING"
    case .ready: "READY"
    case .transientFailure: "TRANSIENT_FAILURE"
    case .shutdown: "SHUTDOWN"
    }
  }
}
