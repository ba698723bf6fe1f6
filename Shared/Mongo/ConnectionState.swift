/// What Health says about the database (DOMAIN 12.3).
public enum ConnectionState: String, Sendable, CaseIterable {
  case disconnected, connected, connecting, disconnecting

  public var readyState: Int {
    switch self {
    case .disconnected: 0
    case .connected: 1
    case .connecting: 2
    case .disconnecting: 3
    }
  }
}

/// Why a process must not start on this database (exit code 69).
public enum MongoStartFailure: Error, Hashable, Sendable {
  case invalidURI(String)
  /// No primary answered within the server selection timeout.
  case unreachable(String)
  /// Without a replica set there are no transactions.
  case noReplicaSet
  /// A set with an arbiter cannot keep majority promises when a data-bearing member is down.
  case hasArbiter
}

extension MongoStartFailure: CustomStringConvertible {
  public var description: String {
    switch self {
    case .invalidURI(let text): "the database URI is not usable: \(text)"
    case .unreachable(let text): "the database cannot be reached: \(text)"
    case .noReplicaSet: "the database is a single server without a replica set: transactions need one"
    case .hasArbiter: "the database's replica set has an arbiter: majority writes are not safe there"
    }
  }
}
