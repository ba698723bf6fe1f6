import Kernel

/// What an outbox relay has done and has before it, for metrics.
public struct OutboxReading: Hashable, Sendable {
  public struct Backlog: Hashable, Sendable {
    /// Documents that wait; counted up to 100 000.
    public let pending: Int64
    /// Of the oldest of them, by the database's clock.
    public let oldest: Duration
  }

  /// Nil on a replica that does not relay.
  public internal(set) var backlog: Backlog?
  /// Messages that the receiver has confirmed, repetitions included.
  public internal(set) var dispatched: Int64 = 0
  /// Deliveries tried, of one or more documents each.
  public internal(set) var attempts: Int64 = 0
  /// Documents that were let wait because the receiver did not take them.
  public internal(set) var postponed: Int64 = 0
  /// Documents that were given up: each needs somebody to look at it.
  public internal(set) var parked: Int64 = 0
}

/// What a failed delivery says about whom.
enum DeliveryBlame {
  /// Something about a message: others may pass.
  case message
  /// The receiver, or the way to it: nobody passes.
  case receiver
}

extension Failure {
  /// The receiver has judged the message itself: sending it again gets the same answer. Everything else, an internal
  /// failure and missing permission included, may pass.
  var isDefinite: Bool {
    switch kind {
    case .invalidArgument, .failedPrecondition, .notFound, .alreadyExists: true
    case .unauthenticated, .permissionDenied, .aborted, .resourceExhausted, .unimplemented, .unavailable,
      .deadlineExceeded, .internal:
      false
    }
  }

  /// An internal failure may be one message's doing, and so may one that is too large: then the others must not wait
  /// for it.
  var blame: DeliveryBlame {
    switch kind {
    case .invalidArgument, .failedPrecondition, .notFound, .alreadyExists, .aborted, .internal, .resourceExhausted:
      .message
    case .unauthenticated, .permissionDenied, .unimplemented, .unavailable, .deadlineExceeded: .receiver
    }
  }
}
