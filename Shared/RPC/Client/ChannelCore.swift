internal import Kernel
internal import Logging
internal import NIOCore
internal import Transport

/// A channel on its event loop: looks its target up, keeps subchannels to the addresses, and gives each call to the
/// one that the balancer picks. Calls that find no room wait in one queue.
///
/// The balancer, the outlier detector and the schedule of look-ups are state machines; this class does what they say
/// and tells them what came of it.
final class ChannelCore: SubchannelOwner, @unchecked Sendable {
  // Sendable because every access is on `eventLoop`.
  let eventLoop: any EventLoop
  let states = ConnectivityStates()
  private let target: RPCTarget
  private let configuration: RPCChannelConfiguration
  private let resolver: NameResolver
  private let logger: Logger
  private let record: ChannelRecord?
  let counts: LoopCallCounts?

  // Retries.
  @exclusivity(unchecked) var budget: RetryBudget?
  /// What all calls keep for further attempts, in bytes.
  @exclusivity(unchecked) var replayBytes = 0

  // Calls.
  @exclusivity(unchecked) private var queue: CallQueue
  /// A call has been made since the channel was last looked at for being idle.
  @exclusivity(unchecked) private var wasUsed = false
  @exclusivity(unchecked) private var callCount = 0

  // Addresses.
  @exclusivity(unchecked) private var balancer: any LoadBalancer
  @exclusivity(unchecked) private var subchannels: [SubchannelID: Subchannel] = [:]
  private var outliers: OutlierDetector?
  private var order: [SubchannelID] = []
  private var lastNumber = 0
  /// Subchannels that are no longer used and have not closed.
  private var leaving: [SubchannelID: Subchannel] = [:]
  private var connectionConfiguration: ConnectionConfiguration

  // Names.
  private var resolution: ResolutionSchedule
  private var isResolved = false
  private var resolutionFailure: String?
  private var resolutionTimer: Scheduled<Void>?

  private var steps = FIFO<BalancerStep>()
  private var isStepping = false
  private var delayTimer: Scheduled<Void>?
  private var sweepTimer: Scheduled<Void>?
  private var idleTimer: Scheduled<Void>?
  private var isActive = false
  @exclusivity(unchecked) private var isClosed = false
  private var closeWaiters: [CheckedContinuation<Void, Never>] = []

  init(
    target: RPCTarget, configuration: RPCChannelConfiguration, eventLoop: any EventLoop, resolver: NameResolver,
    record: ChannelRecord?, logger: Logger
  ) {
    self.target = target
    self.configuration = configuration
    self.eventLoop = eventLoop
    self.resolver = resolver
    self.record = record
    self.logger = logger
    counts = record?.calls.counts(on: eventLoop)
    budget = (configuration.serviceConfig?.retryThrottling ?? configuration.retryThrottling).map { RetryBudget($0) }
    queue = CallQueue(callsMax: configuration.queuedCallsMax, bytesMax: configuration.queuedBytesMax)
    let balancing = configuration.serviceConfig?.loadBalancing ?? configuration.loadBalancing
    balancer = balancing.makeBalancer()
    outliers = balancing.effectiveOutlierDetection.map { OutlierDetector(rules: $0) }
    resolution = ResolutionSchedule(interval: configuration.resolutionInterval, backoff: configuration.backoff)
    connectionConfiguration = configuration.connectionConfiguration
  }

  // MARK: Calls

  func callBegan() {
    wasUsed = true
    callCount += 1
    counts?.began(at: CoarseTime.milliseconds)
  }

  func callEnded(ok: Bool) {
    callCount -= 1
    counts?.ended(ok: ok)
  }

  /// Sends the attempt, now or when there is room for it.
  func submit(_ attempt: ClientAttempt) {
    guard !isClosed else { return attempt.fail(.status(ChannelCore.closedFailure)) }
    if state == .ready, !queue.isEmpty {
      // Nobody overtakes those that wait for room.
    } else if place(attempt) {
      return
    }
    if let reason = queue.append(attempt) {
      attempt.fail(.status(RPCError(.unavailable, "\(reason) for \(target)")))
    }
  }

  /// True when the attempt needs no place in the queue.
  private func place(_ attempt: ClientAttempt) -> Bool {
    switch state {
    case .ready: return send(attempt)
    case .idle, .shutdown: activate()
    case .connecting: break
    case .transientFailure:
      guard !attempt.waitsForReady else { return false }
      guard configuration.backoff.promptSpacing != nil else {
        attempt.fail(.status(RPCError(.unavailable, failureReason)))
        return true
      }
      connectSoon()
    }
    return false
  }

  private func send(_ attempt: ClientAttempt) -> Bool {
    let subchannels = subchannels
    if let id = balancer.pick({ subchannels[$0]?.load }), let subchannel = subchannels[id], subchannel.open(attempt) {
      return true
    }
    for subchannel in subchannels.values { subchannel.grow() }
    return false
  }

  /// An attempt is over that waited.
  func left(_ attempt: ClientAttempt) {
    queue.left(attempt)
  }

  /// Sends as many of the waiting attempts as there is room for.
  private func sendWaiting() {
    while state == .ready, let attempt = queue.first {
      guard attempt.isWaiting else {
        queue.left(attempt)
        continue
      }
      guard send(attempt) else { return }
      queue.left(attempt)
    }
  }

  private func failWaiting(_ failure: RPCError, where condition: (ClientAttempt) -> Bool) {
    for attempt in queue.removeAll(where: condition) { attempt.fail(.status(failure)) }
  }

  /// How an attempt ended that a subchannel had sent.
  func ended(_ attempt: ClientAttempt, on subchannel: Subchannel, _ result: Result<Metadata, AttemptFailure>) {
    switch result {
    case .success: outliers?.record(subchannel.id, succeeded: true)
    case .failure(.status(let status)): outliers?.record(subchannel.id, succeeded: !status.code.isHostFailure)
    case .failure(.unprocessed), .failure(.cancelled): break
    }
  }

  // MARK: State

  private var state: ConnectivityState {
    if isClosed { return .shutdown }
    if !isActive { return .idle }
    if isResolved { return balancer.state }
    return resolutionFailure == nil ? .connecting : .transientFailure
  }

  private var failureReason: String {
    if let resolutionFailure, !isResolved { return resolutionFailure }
    let failed = order.lazy.compactMap { self.subchannels[$0] }.first { !$0.lastFailure.isEmpty }
    return failed?.lastFailure ?? "\(target) cannot be reached"
  }

  /// To be called after everything that may have changed what calls can expect.
  private func settle() {
    let state = state
    states.become(state)
    record?.connectivity(state)
    guard !queue.isEmpty else { return }
    switch state {
    case .ready: sendWaiting()
    case .idle: activate()
    case .connecting, .shutdown: break
    case .transientFailure:
      // Those who had it tried at once wait for what comes of it.
      let isPrompt = configuration.backoff.promptSpacing != nil
      if !isPrompt || !subchannels.values.contains(where: { $0.state == .connecting }) {
        failWaiting(RPCError(.unavailable, failureReason)) { !$0.waitsForReady }
      }
    }
  }

  /// Leaves IDLE.
  func activate() {
    guard !isClosed else { return }
    if !isActive {
      isActive = true
      lookUp()
      startTimers()
    }
    run(balancer.leaveIdle())
  }

  private func connectSoon() {
    if !isResolved { lookUp(isPrompt: true) }
    for subchannel in subchannels.values { subchannel.connectSoon() }
  }

  /// Does what the balancer wants, and what it wants after that.
  private func run(_ new: [BalancerStep]) {
    for step in new { steps.append(step) }
    guard !isStepping else { return }
    isStepping = true
    while let step = steps.popFirst() { perform(step) }
    isStepping = false
    settle()
  }

  private func perform(_ step: BalancerStep) {
    switch step {
    case .connect(let id): subchannels[id]?.connect()
    case .disconnect(let id): subchannels[id]?.disconnect()
    case .resolve: lookUp()
    case .startDelay:
      delayTimer?.cancel()
      let delay = TimeAmount(configuration.connectionAttemptDelay)
      delayTimer = eventLoop.scheduleTask(in: delay) { self.run(self.balancer.delayPassed()) }
    case .stopDelay:
      delayTimer?.cancel()
      delayTimer = nil
    }
  }

  // MARK: Subchannels

  func changed(_ subchannel: Subchannel) {
    guard subchannels[subchannel.id] === subchannel else { return }
    if subchannel.state == .transientFailure {
      logger.debug("cannot connect", metadata: ["target": "\(target)", "error": "\(subchannel.lastFailure)"])
    }
    run(balancer.changed(subchannel.id, to: visibleState(subchannel)))
  }

  /// An ejected address looks as if it could not be reached.
  private func visibleState(_ subchannel: Subchannel) -> ConnectivityState {
    let isHidden = subchannel.state == .ready && outliers?.isEjected(subchannel.id) == true
    return isHidden ? .transientFailure : subchannel.state
  }

  func roomMade(_ subchannel: Subchannel) {
    if !queue.isEmpty { sendWaiting() }
  }

  func closed(_ subchannel: Subchannel) {
    leaving[subchannel.id] = nil
    resumeCloseWaitersIfDone()
  }

  func askedTooOften() {
    guard let keepalive = connectionConfiguration.keepalive else { return }
    // Connections from now on ask half as often (gRFC A8).
    connectionConfiguration.keepalive?.time = .nanoseconds(keepalive.time.nanoseconds.multipliedOrMax(by: 2))
  }

  private func use(_ endpoints: [Endpoint]) {
    let isFirst = !isResolved
    isResolved = true
    defer { if isFirst { run(balancer.leaveIdle()) } }  // Later on only calls make it connect.
    var known: [RPCTarget.Address: Subchannel] = [:]
    for subchannel in subchannels.values { known[subchannel.endpoint.address] = subchannel }
    var kept: [SubchannelID: Subchannel] = [:]
    order = endpoints.map { endpoint in
      let subchannel = known.removeValue(forKey: endpoint.address) ?? makeSubchannel(endpoint)
      kept[subchannel.id] = subchannel
      return subchannel.id
    }
    subchannels = kept
    outliers?.update(order)
    let members = order.compactMap { kept[$0]?.member }
    let new = balancer.update(members)
    for gone in known.values { retire(gone) }
    run(new)
  }

  private func makeSubchannel(_ endpoint: Endpoint) -> Subchannel {
    lastNumber += 1
    return Subchannel(
      SubchannelID(number: lastNumber), endpoint, configuration, connectionConfiguration, on: eventLoop,
      record: record?.addSubchannel(endpoint.address.description), owner: self)
  }

  private func retire(_ subchannel: Subchannel) {
    if let record = subchannel.record { self.record?.remove(subchannel: record) }
    if !subchannel.isClosed { leaving[subchannel.id] = subchannel }
    subchannel.shutDown()
  }

  // MARK: Names

  private func lookUp(isPrompt: Bool = false) {
    guard isActive, !(isResolved && target.isNumeric) else { return }
    guard let start = resolution.wanted(now: .now(), isPrompt: isPrompt) else { return }
    guard start > .now() else { return beginLookUp() }
    resolutionTimer?.cancel()
    resolutionTimer = eventLoop.scheduleTask(deadline: start) { self.beginLookUp() }
  }

  private func beginLookUp() {
    resolutionTimer?.cancel()
    resolutionTimer = nil
    guard isActive, !isClosed else { return }
    resolution.began(now: .now())
    if target.isNumeric {
      resolution.succeeded(now: .now())
      return use(target.addresses.map { Endpoint(host: $0.host, port: $0.port, name: $0) })
    }
    let (resolver, target, eventLoop) = (resolver, target, eventLoop)
    Task {
      let result: Result<[Endpoint], any Error>
      do { result = .success(try await resolver.endpoints(of: target)) } catch { result = .failure(error) }
      eventLoop.execute { self.lookedUp(result) }
    }
  }

  private func lookedUp(_ result: Result<[Endpoint], any Error>) {
    switch result {
    case .success(let endpoints):
      resolution.succeeded(now: .now())
      resolutionFailure = nil
      guard isActive, !isClosed else { return }
      use(endpoints)
    case .failure(let error):
      resolutionFailure = "\(error)"
      logger.debug("cannot resolve", metadata: ["target": "\(target)", "error": "\(error)"])
      let next = resolution.failed(now: .now(), spread: .random(in: -1...1))
      guard isActive, !isClosed else { return }
      resolutionTimer?.cancel()
      resolutionTimer = eventLoop.scheduleTask(deadline: next) { self.beginLookUp() }
      settle()
    }
  }

  // MARK: Time

  private func startTimers() {
    if let outliers {
      let interval = TimeAmount(outliers.rules.interval)
      sweepTimer = eventLoop.scheduleTask(in: interval) { self.sweep(interval) }
    }
    if let idle = configuration.idleTimeout {
      idleTimer = eventLoop.scheduleTask(in: TimeAmount(idle)) { self.lookForIdleness(TimeAmount(idle)) }
    }
  }

  private func sweep(_ interval: TimeAmount) {
    sweepTimer = eventLoop.scheduleTask(in: interval) { self.sweep(interval) }
    for id in outliers?.sweep(now: ContinuousClock.now) ?? [] {
      guard let subchannel = subchannels[id] else { continue }
      logger.info(
        outliers?.isEjected(id) == true ? "address ejected" : "address no longer ejected",
        metadata: ["target": "\(target)", "address": "\(subchannel.endpoint.address)"])
      run(balancer.changed(id, to: visibleState(subchannel)))
    }
  }

  /// Back to IDLE after a time without calls: between one and two times as long.
  private func lookForIdleness(_ idle: TimeAmount) {
    guard callCount == 0, !wasUsed else {
      wasUsed = false
      idleTimer = eventLoop.scheduleTask(in: idle) { self.lookForIdleness(idle) }
      return
    }
    deactivate()
    settle()
  }

  private func deactivate() {
    isActive = false
    isResolved = false
    for timer in [delayTimer, sweepTimer, idleTimer, resolutionTimer] { timer?.cancel() }
    let all = subchannels.values
    subchannels = [:]
    order = []
    let balancing = configuration.serviceConfig?.loadBalancing ?? configuration.loadBalancing
    balancer = balancing.makeBalancer()
    outliers?.update([])
    resolution = ResolutionSchedule(interval: configuration.resolutionInterval, backoff: configuration.backoff)
    resolutionFailure = nil
    for subchannel in all { retire(subchannel) }
  }

  // MARK: Closing

  func close(_ continuation: CheckedContinuation<Void, Never>?) {
    if let continuation { closeWaiters.append(continuation) }
    if !isClosed {
      isClosed = true
      deactivate()
      failWaiting(ChannelCore.closedFailure) { _ in true }
      states.become(.shutdown)
      record?.connectivity(.shutdown)
      record?.remove()
    }
    resumeCloseWaitersIfDone()
  }

  static let closedFailure = RPCError(.unavailable, "the channel is closed")

  /// Ends what has not ended by itself.
  func closeNow() {
    for subchannel in leaving.values { subchannel.closeNow() }
  }

  private func resumeCloseWaitersIfDone() {
    guard isClosed, leaving.isEmpty else { return }
    let waiters = closeWaiters
    closeWaiters = []
    for waiter in waiters { waiter.resume() }
  }
}

extension Int64 {
  fileprivate func multipliedOrMax(by factor: Int64) -> Int64 {
    let (product, overflowed) = multipliedReportingOverflow(by: factor)
    return overflowed ? .max : product
  }
}
