/// Hears what happens on the way to the database, for metrics and traces.
///
/// Called on whatever thread it happened: it must be quick, and neither block nor call back. Names and outcomes come
/// from lists of this program, so they may be labels; no value of a command or of a reply is among them.
public protocol MongoListener: Sendable {
  func heard(_ event: MongoEvent)

  /// What the calling task knows and each command of its unit of work should be told apart by, such as the span it
  /// belongs to. Asked on the caller's task; comes back as `MongoCommand.context`.
  func context() -> (any Sendable)?
}

extension MongoListener {
  public func context() -> (any Sendable)? { nil }
}

public enum MongoEvent: Sendable {
  /// A command has ended, of whatever kind, commits and aborts included.
  case command(MongoCommand)
  /// A call got a connection after this time.
  case gotConnection(after: Duration)
  /// No connection became free in time.
  case poolExhausted
  /// An attempt failed with this kind of failure (`MongoFailure.kind`) and is made again.
  case retries(String)
  /// The driver sees the deployment differently.
  case topology(TopologyChange)
}

/// One command that has ended.
public struct MongoCommand: Sendable {
  /// As the server calls it, `other` if it is none that this product sends.
  public let name: String
  /// The server that answered, `host:port`.
  public let server: String
  /// From sending to the answer. It ended just now.
  public let duration: Duration
  /// Nil if it succeeded, else the kind of its failure (`MongoFailure.kind`).
  public let failure: String?
  /// What the listener knew of the caller.
  public let context: (any Sendable)?

  /// What the calls of the current unit of work belong to; bound on the work's thread.
  @TaskLocal static var currentContext: (any Sendable)?
}

/// What the driver's monitoring reports (the specification calls it SDAM).
public enum TopologyChange: String, Sendable, CaseIterable {
  case serverOpened = "server_opened"
  case serverClosed = "server_closed"
  case serverChanged = "server_changed"
  case topologyChanged = "topology_changed"
  case heartbeatFailed = "heartbeat_failed"
  case connected, disconnected
}
