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
  }

  private let observed = Mutex(Observed())
  private let logger: Logger

  init(logger: Logger) {
    self.logger = logger
  }

  var state: ConnectionState { observed.withLock { $0.state } }

  /// What the last failed heartbeat said; empty if none failed.
  var lastError: String { observed.withLock { $0.lastError } }

  func onChange(_ told: @escaping @Sendable () -> Void) {
    observed.withLock { $0.told = told }
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
      let observer = Unmanaged<TopologyObserver>.fromOpaque(context).takeUnretainedValue()
      let type = mobo_mongoc_topology_type(event).map { String(cString: $0) } ?? "Unknown"
      observer.topologyChanged(writable: mobo_mongoc_topology_writable(event), type: type)
    }
    mongoc_apm_set_server_heartbeat_failed_cb(callbacks) { event in
      guard let event, let context = mongoc_apm_server_heartbeat_failed_get_context(event) else { return }
      var outcome = mobo_mongoc_outcome()
      mobo_mongoc_heartbeat_error(event, &outcome)
      let message = outcome.error(labels: []).message
      Unmanaged<TopologyObserver>.fromOpaque(context).takeUnretainedValue().heartbeatFailed(message)
    }
  }

  private func topologyChanged(writable: Bool, type: String) {
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
    guard let before else { return }
    let metadata: Logger.Metadata = ["topology": "\(type)"]
    if !writable {
      logger.warning("database disconnected", metadata: metadata)
    } else if before.hasBeenConnected {
      logger.info("database reconnected", metadata: metadata)
    } else {
      logger.info("database connected", metadata: metadata)
    }
  }

  private func heartbeatFailed(_ message: String) {
    let isNews = observed.withLock { observed in
      guard !observed.isClosing, observed.lastError != message else { return false }
      observed.lastError = message
      return true
    }
    // Once per change: a database that stays away repeats the same message at every heartbeat.
    if isNews { logger.warning("database heartbeat failed", metadata: ["error": "\(message)"]) }
  }
}
