import Config
import Introspection
import Kernel
import Mongo
import Synchronization

/// What the process says about itself: to probes, to the gateway, to operators.
final class HealthState: Sendable {
  private struct State {
    var isStarted = false
    var isDraining = false
    /// Looked at before the start, and again and again after it.
    var isSchemaCurrent = true
    /// Services that the process needs and that are not known to work.
    var missing: Set<ServiceName> = []
  }

  /// For `grpc.health.v1`: kept up to date with everything that this object knows.
  let statuses: HealthStatuses

  private let state = Mutex(State())
  /// Held while the statuses are worked out and told, so that of two changes the later one has the last word.
  private let telling = Mutex(())
  /// The full names of the services that the process has, and what each of them needs.
  private let services: [String: Set<ServiceName>]
  /// Nil for a process without a database.
  private let database: MongoClient?
  private let dependencies: (@Sendable () async -> [String: String])?

  init(
    _ statuses: HealthStatuses = HealthStatuses(), services: [String: Set<ServiceName>] = [:],
    database: MongoClient?, dependencies: (@Sendable () async -> [String: String])?
  ) {
    self.statuses = statuses
    self.services = services
    self.database = database
    self.dependencies = dependencies
    state.withLock { $0.missing = needs }
    tell()
    database?.onStateChange { [weak self] in self?.tell() }
  }

  /// Everything is up, the schema is the expected one.
  func started() {
    state.withLock { $0.isStarted = true }
    tell()
  }

  /// Whether the schema of the database is still the expected one.
  func schema(isCurrent: Bool) {
    state.withLock { $0.isSchemaCurrent = isCurrent }
    tell()
  }

  /// From now on nobody should send new work here.
  func beginDrain() {
    state.withLock { $0.isDraining = true }
    tell()
  }

  /// Everything that some service of the process needs.
  var needs: Set<ServiceName> { services.values.reduce([]) { $0.union($1) } }

  /// What is known of a service that the process needs. The process as a whole is ready without it: whoever restarts
  /// or takes out a process because another one is away only spreads the trouble.
  func dependency(_ name: ServiceName, works: Bool) {
    state.withLock { if works { $0.missing.remove(name) } else { $0.missing.insert(name) } }
    tell()
  }

  /// Says the statuses anew, after anything they follow from has changed.
  private func tell() {
    telling.withLock { _ in
      let whole: HealthStatuses.Status = isServing ? .serving : .notServing
      let missing = state.withLock { $0.missing }
      var all = services.mapValues { needs in needs.isDisjoint(with: missing) ? whole : .notServing }
      all[""] = whole
      statuses.update(all)
    }
  }

  var isDatabaseConnected: Bool { database.map { $0.state == .connected } ?? true }

  var databaseState: ConnectionState? { database?.state }

  /// Why the process should get no traffic; empty when it is ready.
  var reasonsNotReady: [String] {
    let state = state.withLock { $0 }
    var reasons: [String] = []
    if !state.isStarted { reasons.append("starting") }
    if !state.isSchemaCurrent { reasons.append("another schema") }
    if state.isDraining { reasons.append("draining") }
    if !isDatabaseConnected { reasons.append("database \(databaseState?.rawValue ?? "")") }
    return reasons
  }

  var isServing: Bool { reasonsNotReady.isEmpty }

  /// The state of the services behind this one; nil for a process that has none.
  func dependencyStates() async -> [String: String]? { await dependencies?() }
}
