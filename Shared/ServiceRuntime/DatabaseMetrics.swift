import Mongo
import Telemetry

/// What the process does with its database, under the names of OpenTelemetry's conventions for database clients.
struct DatabaseMetrics: MongoListener {
  static let operations = "db_client_operation_duration_seconds"
  static let waits = "db_client_connection_wait_time_seconds"
  static let timeouts = "db_client_connection_timeouts"
  static let retries = "db_client_retries"
  static let topologyChanges = "mongodb_topology_events"

  private let metrics: Metrics

  init(_ metrics: Metrics) {
    self.metrics = metrics
    metrics.describe(Self.operations, "Time from sending a command to its answer; outcome ok, or why it failed.")
    metrics.describe(Self.waits, "Time that calls waited for a connection of the pool.")
    metrics.describe(Self.timeouts, "Calls that got no connection in time.")
    metrics.describe(Self.retries, "Attempts made again, by the failure of the one before.")
    metrics.describe(Self.topologyChanges, "What the driver's monitoring saw.")
  }

  func heard(_ event: MongoEvent) {
    switch event {
    case .command(let command):
      metrics.observe(
        Self.operations, ["db_operation_name": command.name, "outcome": command.failure ?? "ok"], command.duration)
    case .gotConnection(let wait): metrics.observe(Self.waits, [:], wait)
    case .poolExhausted: metrics.increment(Self.timeouts)
    case .retries(let failure): metrics.increment(Self.retries, ["error_type": failure])
    case .topology(let change): metrics.increment(Self.topologyChanges, ["event": change.rawValue])
    }
  }

  /// What is read at the moment of asking.
  static func readings(_ database: MongoClient) -> [Metrics.Reading] {
    let pool = database.poolStatistics
    let bounds = database.poolBounds
    let state = database.state
    return [
      .init(
        "db_client_connection_count", help: "Connections of the pool.", Double(pool.size - pool.idle),
        labels: ["state": "used"]),
      .init(
        "db_client_connection_count", help: "Connections of the pool.", Double(pool.idle), labels: ["state": "idle"]),
      .init("db_client_connection_max", help: "Connections that the pool may have.", Double(bounds.upperBound)),
      .init("db_client_connection_idle_min", help: "Connections that the pool keeps.", Double(bounds.lowerBound)),
      .init(
        "db_client_connection_pending_requests", help: "Calls that wait for a connection.", Double(pool.queued)),
      .init("mongodb_connected", help: "1 while the primary is known.", state == .connected ? 1 : 0),
      .init(
        "mongodb_ready_state", help: "0 disconnected, 1 connected, 2 connecting, 3 disconnecting.",
        Double(state.readyState)),
    ]
  }
}
