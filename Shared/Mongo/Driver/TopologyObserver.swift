import CMongoc
import Logging
import Synchronization

/// Follows libmongoc's monitoring: keeps the connection state and writes one line per change (H2).
final class TopologyObserver: Sendable {
  private struct Observed {
    var state = ConnectionState.disconnected
    var hasBeenConnected = false
    var isClosing = false
    var lastError = ""
    var told: (@Sendable () -> Void)?
    var reconnected: (@Sendable () -> Void)?
  }

  let listener: (any MongoListener)?
  private let observed = Mutex(Observed())
  private let logger: Logger

  init(logger: Logger, listener: (any MongoListener)?) {
    self.logger = logger
    self.listener = listener
  }

  var state: ConnectionState { observed.withLock { $0.state } }

  /// What the last failed heartbeat said; empty if none failed.
  var lastError: String { observed.withLock { $0.lastError } }

  func onChange(_ told: @escaping @Sendable () -> Void) {
    observed.withLock { $0.told = told }
  }

  /// Has `told` called, on a thread of the driver's, whenever a primary is known again after there was none.
  func onReconnect(_ told: @escaping @Sendable () -> Void) {
    observed.withLock { $0.reconnected = told }
  }

  func isConnecting() {
    change { if $0.state == .disconnected { $0.state = .connecting } }
  }

  /// A start that failed.
  func gaveUp() {
    change { if $0.state == .connecting { $0.state = .disconnected } }
  }

  /// From now on a lost server is intended.
  func isClosing() {
    change {
      $0.isClosing = true
      $0.state = .disconnecting
    }
  }

  func isClosed() {
    change { $0.state = .disconnected }
  }

  /// Tells the listener if the state is another one now. Returns what was observed before, nil if it is the same.
  @discardableResult
  private func change(_ edit: (inout Observed) -> Void) -> Observed? {
    let before = observed.withLock { observed -> Observed? in
      let before = observed
      edit(&observed)
      return observed.state == before.state ? nil : before
    }
    before?.told?()
    return before
  }

  /// Installs the callbacks; their context must be this object.
  func register(in callbacks: OpaquePointer?) {
    mongoc_apm_set_topology_changed_cb(callbacks) { event in
      guard let event, let context = mongoc_apm_topology_changed_get_context(event) else { return }
      let from = TopologyObserver.text(mobo_mongoc_topology_type_before(event))
      let to = TopologyObserver.text(mobo_mongoc_topology_type(event))
      Unmanaged<TopologyObserver>.fromOpaque(context).takeUnretainedValue().topologyChanged(
        writable: mobo_mongoc_topology_writable(event), from: from, to: to)
    }
    mongoc_apm_set_server_heartbeat_failed_cb(callbacks) { event in
      guard let event, let context = mongoc_apm_server_heartbeat_failed_get_context(event) else { return }
      var outcome = mobo_mongoc_outcome()
      mobo_mongoc_heartbeat_error(event, &outcome)
      let server = mongoc_apm_server_heartbeat_failed_get_host(event).map(TopologyObserver.text) ?? ""
      Unmanaged<TopologyObserver>.fromOpaque(context).takeUnretainedValue().heartbeatFailed(
        server, outcome.error(labels: []).message)
    }
    registerServers(in: callbacks)
  }

  private func registerServers(in callbacks: OpaquePointer?) {
    mongoc_apm_set_server_opening_cb(callbacks) { event in
      guard let event, let context = mongoc_apm_server_opening_get_context(event) else { return }
      Unmanaged<TopologyObserver>.fromOpaque(context).takeUnretainedValue().server(
        mongoc_apm_server_opening_get_host(event), .serverOpened, "database server known")
    }
    mongoc_apm_set_server_closed_cb(callbacks) { event in
      guard let event, let context = mongoc_apm_server_closed_get_context(event) else { return }
      Unmanaged<TopologyObserver>.fromOpaque(context).takeUnretainedValue().server(
        mongoc_apm_server_closed_get_host(event), .serverClosed, "database server no longer known")
    }
    mongoc_apm_set_server_changed_cb(callbacks) { event in
      guard let event, let context = mongoc_apm_server_changed_get_context(event) else { return }
      let before = mongoc_apm_server_changed_get_previous_description(event)
      let after = mongoc_apm_server_changed_get_new_description(event)
      let from = TopologyObserver.text(mongoc_server_description_type(before))
      let to = TopologyObserver.text(mongoc_server_description_type(after))
      // A description also changes with every election's and heartbeat's counters.
      guard from != to else { return }
      Unmanaged<TopologyObserver>.fromOpaque(context).takeUnretainedValue().server(
        mongoc_apm_server_changed_get_host(event), .serverChanged, "database server changed",
        ["from": "\(from)", "to": "\(to)"])
    }
  }

  private static func text(_ type: UnsafePointer<CChar>?) -> String {
    type.map { String(cString: $0) } ?? "Unknown"
  }

  /// One line for one change, except for what our own end brings with it.
  private func server(
    _ host: UnsafePointer<mongoc_host_list_t>?, _ change: TopologyChange, _ message: Logger.Message,
    _ metadata: Logger.Metadata = [:]
  ) {
    guard observed.withLock({ !$0.isClosing }) else { return }
    let name = host.map(Self.text) ?? ""
    logger.info(message, metadata: metadata.merging(["server": "\(name)"]) { own, _ in own })
    listener?.heard(.topology(change))
  }

  private func topologyChanged(writable: Bool, from: String, to type: String) {
    let before = change { observed in
      guard !observed.isClosing else { return }
      if writable {
        observed.state = .connected
        observed.hasBeenConnected = true
        observed.lastError = ""
      } else if observed.state == .connected {
        observed.state = .disconnected
      }
    }
    if from != type, observed.withLock({ !$0.isClosing }) {
      logger.info("database topology changed", metadata: ["from": "\(from)", "to": "\(type)"])
      listener?.heard(.topology(.topologyChanged))
    }
    guard let before else { return }
    listener?.heard(.topology(writable ? .connected : .disconnected))
    let metadata: Logger.Metadata = ["topology": "\(type)"]
    if !writable {
      logger.warning("database disconnected", metadata: metadata)
    } else if before.hasBeenConnected {
      logger.info("database reconnected", metadata: metadata)
      before.reconnected?()
    } else {
      logger.info("database connected", metadata: metadata)
    }
  }

  private func heartbeatFailed(_ server: String, _ message: String) {
    let (isOurs, isNews) = observed.withLock { observed in
      guard !observed.isClosing else { return (false, false) }
      defer { observed.lastError = message }
      return (true, observed.lastError != message)
    }
    if isOurs { listener?.heard(.topology(.heartbeatFailed)) }
    // Once per change: a database that stays away repeats the same message at every heartbeat.
    if isNews {
      logger.warning("database heartbeat failed", metadata: ["server": "\(server)", "error": "\(message)"])
    }
  }
}
