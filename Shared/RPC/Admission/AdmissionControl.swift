internal import Kernel
public import Logging
internal import Synchronization

/// How many handlers may run.
public struct AdmissionConfiguration: Hashable, Sendable {
  /// The limit of a method never falls below this. From 1 on.
  public var limitMin: Int
  /// The limits of all unary methods of a process come to this at most.
  public var limitMax: Int
  /// Streams of one method at a time. Not learned, because a stream lasts as long as its caller pleases and its
  /// duration tells nothing about the load. What it bounds is memory: a stream that sends to a slow reader holds up to
  /// `Limits.unsentBytesMax`, one that receives without being read a window.
  public var streamsMax: Int
  /// How long calls wait for their turn, however short they are.
  var patienceMin = Patience.min
  /// Whether calls are refused that their event loop comes to late.
  var heedsLag = true

  public init(limitMin: Int = 8, limitMax: Int = 4_000, streamsMax: Int = 4_000) {
    self.limitMin = limitMin
    self.limitMax = limitMax
    self.streamsMax = streamsMax
  }
}

/// What a group of methods is doing, for metrics.
public struct AdmissionReading: Sendable {
  /// The method, `mobo.wallet.v1.WalletService/Deposit`.
  public let group: String
  public let lane: AdmissionLane
  /// How many calls may run now.
  public let limit: Int
  /// How many do.
  public let running: Int
  public let waiting: Int
  /// How many were refused since the start.
  public let refused: [(reason: AdmissionRefusal, count: Int)]
}

/// Bounds the handlers that run in a process, so that a process with more calls than it can answer answers as many as
/// it can, quickly, and refuses the others at once.
///
/// Each method has a limit that is learned from how long its calls take (`ConcurrencyLimit`); calls beyond it wait
/// briefly in a bounded queue or are refused, and so are calls that would not end before their deadline. The limits
/// of methods that matter less give way to those that matter more (`AdmissionLane`). Health checks always pass.
///
/// Handlers that compute without ever waiting run one after the other on their event loop, so that only one counts as
/// running. Where such handlers keep a loop behind, calls that it read long ago are refused (`CallContext.lag`).
///
/// A call counts until its handler has ended, however early its caller went away: resetting streams frees nothing.
public final class AdmissionControl: ServerGate {
  /// By the ordinal of the method; nil for those that are not limited.
  private let groups: [AdmissionGroup?]
  /// Methods that were not announced share one.
  private let others: AdmissionGroup
  private let all: [AdmissionGroup]
  private let regulator: Mutex<AdmissionRegulator>
  private let isCalibrating = Atomic(false)
  private let logger: Logger
  private let report = Mutex(Report())

  /// When it was last said that calls are refused, and how many there have been since.
  private struct Report: Sendable {
    var at: ContinuousClock.Instant?
    var count = 0
  }

  private enum AdmittedKey: CallContextKey {
    struct Value: Sendable {
      let at: ContinuousClock.Instant
      let weight: Int
      let crowd: Int
    }
  }

  public convenience init(
    services: [any ServiceBinding], configuration: AdmissionConfiguration = AdmissionConfiguration(), logger: Logger
  ) {
    self.init(methods: services.flatMap { $0.methods.map(\.descriptor) }, configuration: configuration, logger: logger)
  }

  public init(
    methods: [MethodDescriptor], configuration: AdmissionConfiguration = AdmissionConfiguration(), logger: Logger
  ) {
    var table = [AdmissionGroup?](repeating: nil, count: (methods.map(\.ordinal).max() ?? -1) + 1)
    var lanes: [AdmissionLane] = []
    var all: [AdmissionGroup] = []
    func add(_ name: String, _ lane: AdmissionLane, isAdaptive: Bool) -> AdmissionGroup {
      let group = AdmissionGroup(
        name: name, lane: lane, place: isAdaptive ? lanes.count : nil, limit: configuration.streamsMax,
        patienceMin: configuration.patienceMin)
      if isAdaptive { lanes.append(lane) }
      all.append(group)
      return group
    }
    for method in methods {
      guard let lane = AdmissionLane(method) else { continue }
      table[method.ordinal] = add(method.description, lane, isAdaptive: method.kind == .unary)
    }
    others = add("other", .background, isAdaptive: false)
    groups = table
    heedsLag = configuration.heedsLag
    exempt = Set(methods.filter { AdmissionLane($0) == nil }.map(\.ordinal))
    self.all = all
    self.logger = logger
    let regulator = AdmissionRegulator(
      lanes: lanes, limitMin: configuration.limitMin, limitMax: configuration.limitMax, now: .now)
    for group in all {
      guard let place = group.place else { continue }
      group.learn(limit: regulator.gate(place), full: regulator.limits[place].limit, latency: nil, throughput: 0)
    }
    self.regulator = Mutex(regulator)
  }

  private let exempt: Set<Int>
  private let heedsLag: Bool

  /// What every group is doing now.
  public var readings: [AdmissionReading] { all.map(\.reading) }

  // MARK: - ServerGate

  public func tryAdmit(_ context: inout CallContext) throws -> Bool {
    guard let group = group(of: context) else { return true }
    if let deadline = context.deadline {
      // Hopeless already without anybody in its way.
      let expected = group.expected
      if expected >= AdmissionControl.expectedNotable, deadline.remaining < expected / 4 {
        throw refuse(group, .deadlineTooShort)
      }
    }
    if heedsLag, context.lag > .zero, context.lag >= group.lane.lagAccepted { throw refuse(group, .loopBehind) }
    guard let entry = group.enter() else { return false }
    if entry.weight > 0, group.place != nil {
      context[AdmittedKey.self] = .init(at: .now, weight: entry.weight, crowd: entry.crowd)
    }
    return true
  }

  public func admit(_ context: inout CallContext) async throws {
    guard let group = group(of: context) else { return }
    if isCalibrating.load(ordering: .relaxed) { tick() }
    // Whoever must not wait here would only wait at the client instead; a refusal makes room for those behind it.
    let mayWait = group.lane == .critical || !context.isConnectionNearlyFull
    switch await group.wait(deadline: context.deadline, mayWait: mayWait) {
    case .admitted:
      if group.place != nil { context[AdmittedKey.self] = .init(at: .now, weight: 1, crowd: .max) }
    case .refused(let refusal): throw refuse(group, refusal)
    case .cancelled: throw CancellationError()
    }
  }

  public func finished(_ context: CallContext, _ error: (any Error)?) {
    guard let group = group(of: context) else { return }
    let running = group.leave()
    guard let place = group.place, let admitted = context[AdmittedKey.self] else { return }
    // Refusals and early ends say nothing about how long the work takes; a missed deadline does.
    guard error == nil || context.deadline?.hasPassed == true else { return }
    let now = ContinuousClock.now
    learn(
      place,
      ConcurrencyLimit.Sample(
        latency: admitted.at.duration(to: now), running: running, admitted: admitted.at, crowd: admitted.crowd,
        isUseful: error == nil, weight: admitted.weight), now)
  }

  // MARK: -

  private func group(of context: CallContext) -> AdmissionGroup? {
    let ordinal = context.method.ordinal
    guard ordinal < groups.count else { return others }
    return groups[ordinal] ?? (exempt.contains(ordinal) ? nil : others)
  }

  private func learn(_ place: Int, _ sample: ConcurrencyLimit.Sample, _ now: ContinuousClock.Instant) {
    publish(place) { $0.record(place, sample, now: now) }
  }

  private func tick() {
    publish(nil) { $0.tick(.now) }
  }

  /// Lets the regulator think and tells the groups what came of it.
  private func publish(_ place: Int?, _ think: (inout AdmissionRegulator) -> AdmissionRegulator.News) {
    let found = regulator.withLock { regulator in
      var found: [(AdmissionGroup, limit: Int, gate: Int, latency: Duration?, throughput: Double)] = []
      let news = think(&regulator)
      guard news != .none else { return found }
      isCalibrating.store(regulator.calibration != nil, ordering: .relaxed)
      for group in all {
        guard let other = group.place, news == .ofAll || other == place else { continue }
        found.append(
          (
            group, regulator.limits[other].limit, regulator.gate(other), regulator.limits[other].latency,
            regulator.limits[other].throughput
          ))
      }
      return found
    }
    for (group, limit, gate, latency, throughput) in found {
      group.learn(limit: gate, full: limit, latency: latency, throughput: throughput)
    }
  }

  private func refuse(_ group: AdmissionGroup, _ refusal: AdmissionRefusal) -> RPCError {
    let pause = group.refused(refusal)
    note(group, refusal)
    return refusal.error(pause: pause)
  }

  /// One line now and then: a line per refused call would be work that an overloaded process cannot spare.
  private func note(_ group: AdmissionGroup, _ refusal: AdmissionRefusal) {
    let now = ContinuousClock.now
    let count = report.withLock { report -> Int? in
      report.count += 1
      if let at = report.at, at.duration(to: now) < AdmissionControl.reportInterval { return nil }
      defer { report = Report(at: now) }
      return report.count
    }
    guard let count else { return }
    let reading = group.reading
    logger.warning(
      "calls are refused",
      metadata: [
        "count": "\(count)", "method": "\(group.name)", "reason": "\(refusal.reason)", "limit": "\(reading.limit)",
        "running": "\(reading.running)", "waiting": "\(reading.waiting)",
      ])
  }

  private static let expectedNotable = Duration.milliseconds(20)
  private static let reportInterval = Duration.seconds(10)
}
