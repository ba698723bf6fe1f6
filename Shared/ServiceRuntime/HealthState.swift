import Kernel
import Mongo
import Synchronization

/// What the process says about itself: to probes, to the gateway, to operators.
final class HealthState: Sendable {
  private struct State {
    var isStarted = false
    var isDraining = false
  }

  private let state = Mutex(State())
  /// Nil for a process without a database.
  private let database: MongoClient?
  private let dependencies: (@Sendable () async -> [String: String])?

  init(database: MongoClient?, dependencies: (@Sendable () async -> [String: String])?) {
    self.database = database
    self.dependencies = dependencies
  }

  /// Everything is up, the schema is the expected one.
  func started() { state.withLock { $0.isStarted = true } }

  /// From now on nobody should send new work here.
  func beginDrain() { state.withLock { $0.isDraining = true } }

  var isDatabaseConnected: Bool { database.map { $0.state == .connected } ?? true }

  var databaseState: ConnectionState? { database?.state }

  /// Why the process should get no traffic; empty when it is ready.
  var reasonsNotReady: [String] {
    let (isStarted, isDraining) = state.withLock { ($0.isStarted, $0.isDraining) }
    var reasons: [String] = []
    if !isStarted { reasons.append("starting") }
    if isDraining { reasons.append("draining") }
    if !isDatabaseConnected { reasons.append("database \(databaseState?.rawValue ?? "")") }
    return reasons
  }

  var isServing: Bool { reasonsNotReady.isEmpty }

  /// The state of the services behind this one; nil for a process that has none.
  func dependencyStates() async -> [String: String]? { await dependencies?() }
}
