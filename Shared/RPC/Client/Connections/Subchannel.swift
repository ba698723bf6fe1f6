internal import HTTP2
internal import Kernel
internal import Logging
internal import NIOCore
internal import Transport

/// What a subchannel tells its channel, on their event loop.
protocol SubchannelOwner: AnyObject {
  func changed(_ subchannel: Subchannel)
  /// A call that found no room may find some now.
  func roomMade(_ subchannel: Subchannel)
  func closed(_ subchannel: Subchannel)
  /// The server has sent a connection away for too many pings.
  func askedTooOften()
}

/// One address of a channel and the connections to it.
///
///     idle ──connect──▶ connecting ──SETTINGS──▶ ready ──GOAWAY, loss──▶ idle
///                          │
///                       failure ──▶ transientFailure ──the end of the pause──▶ idle
///
/// Usually one connection. An earlier one that is going away finishes its streams by itself.
final class Subchannel: ConnectionOwner, @unchecked Sendable {  // Touched on its channel's event loop only.
  /// What balancers know of a subchannel.
  struct Member: Hashable, Sendable {
    let id: SubchannelID
    var isIPv6 = false
  }

  let id: SubchannelID
  let endpoint: Endpoint
  let record: ChannelRecord?
  private let counts: LoopCallCounts?
  private let eventLoop: any EventLoop
  private let configuration: RPCChannelConfiguration
  private let connectionConfiguration: ConnectionConfiguration
  private let owner: any SubchannelOwner
  @exclusivity(unchecked) private var heads: CallHeads

  private(set) var state = ConnectivityState.idle
  /// Why the last attempt to connect failed.
  private(set) var lastFailure = ""
  /// Calls under way.
  @exclusivity(unchecked) private(set) var callCount = 0

  /// Those that take calls.
  @exclusivity(unchecked) private var connections: [HTTP2Connection] = []
  /// All that have not closed, with what shows them to channelz.
  private var live: [ObjectIdentifier: (connection: HTTP2Connection, token: ChannelzToken?)] = [:]
  /// The connection whose SETTINGS are awaited.
  private var candidate: HTTP2Connection?
  /// Counts the attempts to connect, so that the outcome of one that was given up is not taken for the next one's.
  private var attempt = 0
  private var isConnecting = false
  private var timer: Scheduled<Void>?
  @exclusivity(unchecked) private var failures = 0
  /// There were calls since the last connection became ready.
  @exclusivity(unchecked) private var hasServed = false
  private var lastStart = NIODeadline.uptimeNanoseconds(0)

  init(
    _ id: SubchannelID, _ endpoint: Endpoint, _ configuration: RPCChannelConfiguration,
    _ connectionConfiguration: ConnectionConfiguration, on eventLoop: any EventLoop, record: ChannelRecord?,
    owner: any SubchannelOwner
  ) {
    self.id = id
    self.endpoint = endpoint
    self.configuration = configuration
    self.connectionConfiguration = connectionConfiguration
    self.eventLoop = eventLoop
    self.record = record
    self.owner = owner
    counts = record?.calls.counts(on: eventLoop)
    heads = CallHeads(authority: endpoint.name.description, isEncrypted: configuration.tls != nil)
  }

  var member: Member { Member(id: id, isIPv6: endpoint.address.isIPv6) }

  // MARK: Calls

  /// The number of calls under way; nil if there is no room for another one.
  var load: Int? { connections.contains { $0.mayOpen } ? callCount : nil }

  /// Sends the attempt; false if there is no room after all.
  func open(_ attempt: ClientAttempt) -> Bool {
    for connection in connections where connection.mayOpen {
      do {
        try attempt.open(on: connection, of: self, heads.head(of: attempt.call.head.method))
        callCount += 1
        hasServed = true
        failures = 0  // Not before: a server that takes connections and no calls is no better than none.
        counts?.began(at: CoarseTime.milliseconds)
        return true
      } catch is TransportFailure {
        continue  // It was the connection's last id.
      } catch {
        attempt.fail(.status(RPCError(.internal, "the call cannot be sent: \(error)")))
        return true
      }
    }
    return false
  }

  /// An attempt that was opened here is over.
  func ended(ok: Bool) {
    callCount -= 1
    counts?.ended(ok: ok)
  }

  /// Opens a further connection, if the channel allows it and none is being opened.
  func grow() {
    guard state == .ready, !isConnecting, connections.count < configuration.connectionsPerAddressMax else { return }
    let pause = failures > 0 ? configuration.backoff.pause(afterFailures: failures, spread: 0) : .zero
    if lastStart + TimeAmount(pause) <= .now() { begin() }
  }

  // MARK: Connecting

  /// Begins to connect, if nothing is under way.
  func connect() {
    guard state == .idle else { return }
    enter(.connecting)
    begin()
  }

  /// Cuts the pause short, to what prompt calls may ask for.
  func connectSoon() {
    guard state == .transientFailure, let spacing = configuration.backoff.promptSpacing else { return }
    let start = lastStart + TimeAmount(spacing)
    if start <= .now() { return pauseEnded() }
    timer?.cancel()
    timer = eventLoop.scheduleTask(deadline: start) { [weak self] in self?.pauseEnded() }
  }

  private func pauseEnded() {
    timer?.cancel()
    timer = nil
    if state == .transientFailure { enter(.idle) }
  }

  private func begin() {
    timer?.cancel()
    attempt += 1
    isConnecting = true
    lastStart = .now()
    let (number, began) = (attempt, lastStart)
    // An attempt may take as long as the pause that would follow its failure, and never less than the configured time.
    let pause = configuration.backoff.pause(afterFailures: failures + 1, spread: 0)
    let timeout = TimeAmount(max(configuration.connectTimeout, pause))
    var settings = connectionConfiguration
    settings.handshakeTimeout = timeout
    HTTP2Connector.connect(
      host: endpoint.host, port: endpoint.port, on: eventLoop, configuration: settings, timeout: timeout,
      tls: configuration.tls, name: endpoint.name.host
    ).whenComplete { result in
      guard number == self.attempt, self.isConnecting else {
        if case .success(let connection) = result { connection.close() }
        return
      }
      switch result {
      case .success(let connection): self.connected(connection, until: began + timeout)
      case .failure(let error): self.failed("\(error)")
      }
    }
  }

  private func connected(_ connection: HTTP2Connection, until deadline: NIODeadline) {
    live[ObjectIdentifier(connection)] = (connection, record?.add(connection))
    candidate = connection
    timer = eventLoop.scheduleTask(deadline: deadline) { connection.close() }
    connection.belong(to: self)
  }

  private func failed(_ reason: String) {
    isConnecting = false
    failures += 1
    lastFailure = reason
    guard connections.isEmpty else { return }  // A further one was tried; those that are there go on.
    let pause = configuration.backoff.pause(afterFailures: failures, spread: .random(in: -1...1))
    timer?.cancel()
    timer = eventLoop.scheduleTask(deadline: lastStart + TimeAmount(pause)) { [weak self] in self?.pauseEnded() }
    enter(.transientFailure)
  }

  private func enter(_ new: ConnectivityState) {
    guard state != new, state != .shutdown else { return }
    state = new
    record?.connectivity(new)
    owner.changed(self)
  }

  // MARK: Connections

  func settingsChanged(_ connection: HTTP2Connection) {
    guard connection === candidate else { return owner.roomMade(self) }
    candidate = nil
    timer?.cancel()
    timer = nil
    isConnecting = false
    guard !connection.isDone else { return failed("\(endpoint.address) sent the connection away at once") }
    hasServed = hasServed && !connections.isEmpty
    connections.append(connection)
    if state == .ready { owner.roomMade(self) } else { enter(.ready) }
  }

  func streamClosed(_ connection: HTTP2Connection) {
    owner.roomMade(self)
  }

  func goingAway(_ connection: HTTP2Connection) {
    if connection.peerGoAway == .enhanceYourCalm { owner.askedTooOften() }
    leave(connection)
  }

  /// Has later calls use another connection.
  private func leave(_ connection: HTTP2Connection) {
    guard let index = connections.firstIndex(where: { $0 === connection }) else { return }
    connections.remove(at: index)
    guard connections.isEmpty else { return }
    if isConnecting { return enter(.connecting) }
    let isFresh = .now() < lastStart + TimeAmount(configuration.backoff.initial)
    if isFresh, !hasServed { return failed("\(endpoint.address) ended the connection before there was a call") }
    failures = 0
    enter(.idle)
  }

  func closed(_ connection: HTTP2Connection) {
    live[ObjectIdentifier(connection)] = nil
    if connection === candidate {
      candidate = nil
      failed("\(endpoint.address) closed the connection before it was ready")
    }
    leave(connection)
    if live.isEmpty { owner.closed(self) }
  }

  // MARK: Closing

  /// Gives the connections up: those with calls finish them.
  func disconnect() {
    stop()
    if state != .idle { enter(.idle) }
  }

  /// The same, for good.
  func shutDown() {
    stop()
    enter(.shutdown)
  }

  private func stop() {
    timer?.cancel()
    timer = nil
    isConnecting = false
    attempt += 1
    let waiting = candidate
    candidate = nil
    waiting?.close()
    connections = []
    for entry in live.values { entry.connection.drain() }
  }

  /// Ends what has not ended by itself.
  func closeNow() {
    for entry in live.values { entry.connection.close() }
  }

  var isClosed: Bool { live.isEmpty }
}
