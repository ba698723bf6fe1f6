internal import Logging
internal import NIOCore
internal import Transport

/// The connection of a channel and the attempts that wait for it.
///
///     idle ──a call──▶ connecting ──SETTINGS──▶ ready ──GOAWAY, loss──▶ idle
///                        │   ▲
///     every address failed   │ a call, or the end of the pause
///                        ▼   │
///                      pausing
///
/// One connection at a time; an earlier one that is going away finishes its streams by itself.
final class ChannelCore: ConnectionOwner, @unchecked Sendable {
  // Sendable because every access is on `eventLoop`.
  private enum State {
    case idle
    case connecting
    case ready(HTTP2Connection)
    /// Until `next`, calls that wait for readiness wait; others have the target tried, at most every so often.
    case pausing(next: NIODeadline)
    case closed
  }

  let eventLoop: any EventLoop
  private let target: RPCTarget
  private let configuration: RPCChannelConfiguration
  private let logger: Logger
  private let authority: String

  private var state = State.idle
  private var queue: [ClientAttempt] = []
  /// The connection whose SETTINGS are awaited.
  private var candidate: HTTP2Connection?
  private var candidateTimer: Scheduled<Void>?
  private var addressIndex = 0
  private var failures = 0
  private var lastStart = NIODeadline.uptimeNanoseconds(0)
  private var wakeUp: Scheduled<Void>?
  private var live: [ObjectIdentifier: HTTP2Connection] = [:]
  private var closeWaiters: [CheckedContinuation<Void, Never>] = []

  init(
    target: RPCTarget, configuration: RPCChannelConfiguration, eventLoop: any EventLoop, logger: Logger
  ) {
    self.target = target
    self.configuration = configuration
    self.eventLoop = eventLoop
    self.logger = logger
    authority = target.addresses[0].description
  }

  // MARK: Attempts

  /// Sends the attempt, now or when there is a connection with a free stream.
  func submit(_ attempt: ClientAttempt) {
    switch state {
    case .closed:
      return attempt.fail(.status(RPCError(.unavailable, "the channel is closed")))
    case .ready(let connection):
      if queue.isEmpty, open(attempt, on: connection) { return }
    case .idle, .connecting, .pausing: break
    }
    guard queue.count < Limits.queuedCallsMax else {
      return attempt.fail(.status(RPCError(.unavailable, "too many calls wait for \(target)")))
    }
    queue.append(attempt)
    advance()
  }

  private func open(_ attempt: ClientAttempt, on connection: HTTP2Connection) -> Bool {
    guard connection.mayOpen else { return false }
    do {
      try attempt.open(on: connection, authority: authority)
      return true
    } catch is TransportFailure {
      return false  // It was the connection's last id; the next one takes the call.
    } catch {
      attempt.fail(.status(RPCError(.internal, "the call cannot be sent: \(error)")))
      return true
    }
  }

  /// Does what the queue needs next.
  private func advance() {
    queue.removeAll { !$0.isWaiting }
    guard !queue.isEmpty else { return }
    switch state {
    case .closed, .connecting: return
    case .ready(let connection):
      var sent = 0
      while sent < queue.count, open(queue[sent], on: connection) { sent += 1 }
      queue.removeFirst(sent)
      if connection.isDone { leave(connection) }
    case .idle: connect()
    case .pausing(let next):
      let isUrgent = queue.contains { !$0.waitsForReady }
      let prompt = lastStart + TimeAmount(configuration.backoff.promptSpacing)
      let start = isUrgent ? min(prompt, next) : next
      guard start > .now() else { return connect() }
      wakeUp?.cancel()
      wakeUp = eventLoop.scheduleTask(deadline: start) { self.wake() }
    }
  }

  private func wake() {
    wakeUp = nil
    if case .pausing = state { advance() }
  }

  // MARK: Connecting

  private func connect() {
    wakeUp?.cancel()
    wakeUp = nil
    state = .connecting
    addressIndex = 0
    lastStart = .now()
    connectToNext()
  }

  private func connectToNext() {
    let address = target.addresses[addressIndex]
    let timeout = TimeAmount(configuration.connectTimeout)
    var settings = ConnectionConfiguration(idleTimeout: nil)
    settings.handshakeTimeout = timeout
    HTTP2Connector.connect(
      host: address.host, port: address.port, on: eventLoop, configuration: settings, timeout: timeout,
      tls: configuration.tls
    ).whenComplete { result in
      switch result {
      case .success(let connection): self.connected(connection, timeout)
      case .failure(let error): self.connectFailed("\(error)")
      }
    }
  }

  private func connected(_ connection: HTTP2Connection, _ timeout: TimeAmount) {
    guard case .connecting = state else { return connection.close() }
    live[ObjectIdentifier(connection)] = connection
    candidate = connection
    candidateTimer = eventLoop.scheduleTask(in: timeout) { connection.close() }
    connection.belong(to: self)
  }

  func settingsChanged(_ connection: HTTP2Connection) {
    if connection === candidate {
      candidate = nil
      candidateTimer?.cancel()
      candidateTimer = nil
      failures = 0
      state = .ready(connection)
      logger.debug("connected", metadata: ["target": "\(target)", "peer": "\(connection.peer)"])
    }
    advance()
  }

  private func connectFailed(_ reason: String) {
    guard case .connecting = state else { return }
    addressIndex += 1
    guard addressIndex == target.addresses.count else { return connectToNext() }
    failures += 1
    let pause = configuration.backoff.pause(afterFailures: failures, spread: Double.random(in: -1...1))
    state = .pausing(next: lastStart + TimeAmount(pause))
    logger.debug("cannot connect", metadata: ["target": "\(target)", "error": "\(reason)"])
    let urgent = queue.filter { !$0.waitsForReady }
    queue.removeAll { !$0.waitsForReady }
    for attempt in urgent { attempt.fail(.status(RPCError(.unavailable, reason))) }
    advance()
  }

  // MARK: Connections

  func streamClosed(_ connection: HTTP2Connection) {
    if !queue.isEmpty { advance() }
  }

  func goingAway(_ connection: HTTP2Connection) {
    leave(connection)
  }

  /// Has later calls use another connection.
  private func leave(_ connection: HTTP2Connection) {
    guard case .ready(let current) = state, current === connection else { return }
    state = .idle
    // After the events of this moment: the refused streams of the old connection come right behind its GOAWAY.
    eventLoop.execute { self.advance() }
  }

  func closed(_ connection: HTTP2Connection) {
    live[ObjectIdentifier(connection)] = nil
    if connection === candidate {
      candidate = nil
      candidateTimer?.cancel()
      candidateTimer = nil
      connectFailed("\(target.addresses[addressIndex]) closed the connection before it was ready")
    }
    leave(connection)
    resumeCloseWaitersIfDone()
  }

  // MARK: Closing

  func close(_ continuation: CheckedContinuation<Void, Never>) {
    closeWaiters.append(continuation)
    state = .closed
    wakeUp?.cancel()
    let waiting = queue
    queue = []
    for attempt in waiting { attempt.fail(.status(RPCError(.unavailable, "the channel is closed"))) }
    candidate?.close()
    for connection in live.values { connection.drain() }
    resumeCloseWaitersIfDone()
  }

  /// Ends what has not ended by itself.
  func closeNow() {
    for connection in live.values { connection.close() }
  }

  private func resumeCloseWaitersIfDone() {
    guard case .closed = state, live.isEmpty else { return }
    let waiters = closeWaiters
    closeWaiters = []
    for waiter in waiters { waiter.resume() }
  }
}
