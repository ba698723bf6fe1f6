/// How many calls of one group of methods may run at a time, learned from how long they take.
///
/// Little's law is all there is to it: where something serves K calls at a time, more than K make the latency grow
/// and not the throughput. The latency of each window of calls is compared with what they take when they are not in
/// each other's way (the baseline). As long as it is tolerable the limit grows, if the calls need that; otherwise it
/// shrinks in proportion, but never below what the present throughput justifies. So it settles where the latency is
/// a little above what is tolerated, and an old queue that is still being served does not make it collapse.
///
/// A value without a clock: every method is told the time.
struct ConcurrencyLimit: Sendable {
  /// What a call that has ended tells.
  struct Sample: Sendable {
    /// From being admitted to the end of its handler.
    var latency: Duration
    /// How many calls of the group ran when it ended, itself included.
    var running: Int
    var admitted: ContinuousClock.Instant
    /// How many ran when it was admitted, itself included; many if it had to wait for that.
    var crowd = Int.max
    /// False if its deadline passed first.
    var isUseful = true
    /// For how many calls it stands: where many calls end, few are looked at.
    var weight = 1
  }

  /// What a window of samples led to.
  enum Verdict: Hashable, Sendable {
    /// Nothing yet: the window goes on.
    case pending
    /// The window is over, the limit stays.
    case unchanged
    case changed
    /// The calls are slow, and whether that is due to their number is not known well enough.
    case suspicious
  }

  let min: Int
  private let tolerance: Double
  private let latencyAccepted: Duration
  private let initial: Double
  private(set) var value: Double
  /// The latency of calls that are not in each other's way; nil until there was one.
  private(set) var baseline: Duration?
  /// The mean of the last window: what a call of the group takes now. Nil before its end.
  private(set) var latency: Duration?
  /// The most calls that ran at a time in the last window.
  private(set) var use = 0
  /// Calls per second in the last window.
  private(set) var throughput = 0.0
  /// When the limit last kept calls from running that would be too slow.
  private(set) var congestedAt: ContinuousClock.Instant?
  private var window: Window
  private var knowledge = Knowledge()

  private struct Window: Sendable {
    var began: ContinuousClock.Instant
    var latencies: [Duration] = []
    var useful = 0
    /// Of the latencies, those of calls whose deadline passed.
    var missed = 0
    var use = 0
  }

  /// How far the baseline can be relied on.
  private struct Knowledge: Sendable {
    var at: ContinuousClock.Instant?
    /// True if it was a calibration.
    var isMeasured = false
    /// How long that is believed.
    var span = Tuning.calibrationIntervalMin
    /// However suspicious, nothing is measured again before.
    var gap = Tuning.calibrationGap
    /// The limit then.
    var value = 0.0
    /// Calls that ran almost alone since the last measurement.
    var quiet = 0
    /// When the limit was last halved because calls came too late. Those admitted before say nothing new.
    var futileAt: ContinuousClock.Instant?
  }

  init(min: Int, initial: Int, lane: AdmissionLane, now: ContinuousClock.Instant) {
    self.min = min
    tolerance = lane.tolerance
    latencyAccepted = lane.latencyAccepted
    value = Double(Swift.max(min, initial))
    self.initial = value
    window = Window(began: now)
  }

  /// The limit in whole calls.
  var limit: Int { Int(value) }

  /// The latency above which the group counts as congested.
  var latencyTolerated: Duration {
    guard let baseline else { return latencyAccepted }
    return Swift.max(latencyAccepted, baseline * tolerance)
  }

  /// What a calibration should know of the group that asks for it.
  var occasion: Calibration.Occasion {
    Calibration.Occasion(latency: latency ?? .zero, floor: Swift.max(2, min / 4))
  }

  /// How much of the group there is to hold back, the window that is not full yet included.
  func recentUse(_ now: ContinuousClock.Instant) -> Calibration.Use {
    let age = window.began.duration(to: now) / .seconds(1)
    return Calibration.Use(
      running: Swift.max(use, window.use),
      throughput: Swift.max(throughput, age > 0.05 ? Double(window.useful) / age : 0))
  }

  /// Takes the sample into the current window, and decides when the window is full.
  ///
  /// - Parameter room: by how much the limit may grow at most, for the sake of others.
  mutating func record(_ sample: Sample, room: Double, now: ContinuousClock.Instant) -> Verdict {
    if sample.isUseful, sample.crowd <= Swift.max(1, Swift.min(limit, Int(initial)) / Tuning.quietShare) {
      observeQuiet(sample.latency, now)
    }
    window.use = Swift.max(window.use, sample.running)
    if sample.isUseful { window.useful += sample.weight }
    if window.latencies.count < Tuning.windowSamplesMax {
      window.latencies.append(sample.latency)
      if !sample.isUseful, knowledge.futileAt.map({ sample.admitted >= $0 }) ?? true { window.missed += 1 }
    }
    let age = window.began.duration(to: now)
    let count = window.latencies.count
    let isFull =
      age >= Tuning.windowMin && count >= Tuning.windowSamples
      || age >= Tuning.windowLong && count >= Tuning.windowSamplesLong
      || age >= Tuning.windowMax && count >= Tuning.windowSamplesMin
    // Before a call has come and gone the last change has not had its effect.
    let isSettled = age >= Swift.min(latency ?? .zero, Tuning.windowLongest)
    return isFull && isSettled ? closeWindow(age, room: room, now: now) : .pending
  }

  /// Begins a new window: what was seen before does not count.
  mutating func restart(_ now: ContinuousClock.Instant) {
    window = Window(began: now)
  }

  /// Takes the latency of calls whose number was reduced for the baseline; nil leaves it as it is, for a while.
  ///
  /// - Parameter effort: how long the calls were held up for that: they are spared for a multiple of it.
  mutating func calibrated(_ measured: Duration?, effort: Duration, now: ContinuousClock.Instant) {
    if let measured {
      let isConfirmed = baseline.map { measured <= $0 * 1.25 && $0 <= measured * 1.25 } ?? false
      // Two measurements that agree are better than either.
      baseline = isConfirmed ? baseline.map { ($0 + measured) / 2 } : measured
      knowledge.span = isConfirmed ? knowledge.span * 2 : Tuning.calibrationIntervalMin
      knowledge.span = Swift.min(knowledge.span, Tuning.calibrationIntervalMax)
      knowledge.isMeasured = true
    } else if !knowledge.isMeasured, let latency {
      // In doubt the calls are as quick as they can be.
      baseline = Swift.max(baseline ?? latency, latency)
    }
    knowledge.span = Swift.max(knowledge.span, effort * Tuning.calibrationRest)
    knowledge.gap = Swift.max(Tuning.calibrationGap, effort * 4)
    knowledge.at = now
    knowledge.value = value
    knowledge.quiet = 0
  }

  // MARK: -

  private mutating func closeWindow(_ age: Duration, room: Double, now: ContinuousClock.Instant) -> Verdict {
    let mean = window.latencies.robustMean
    use = window.use
    latency = mean
    throughput = Double(window.useful) / (age / .seconds(1))
    let isFutile = window.missed * Tuning.missedShare >= window.latencies.count
    window = Window(began: now)
    let before = limit
    let tolerated = latencyTolerated
    let wanted = value * (tolerated / Swift.max(mean, .microseconds(1)))
    if mean > tolerated {
      // A limit that is not in effect is not what makes the calls slow or quick.
      guard Double(use) >= value * Tuning.neededShare else { return .unchanged }
      congestedAt = now
      guard limit > min else { return .unchanged }
      // Work that comes too late is worth nothing, whatever makes it slow.
      guard !isFutile else {
        value = Swift.max(Double(min), value * Tuning.shrinkageMax)
        knowledge.futileAt = now
        return .changed
      }
      guard !isStale(now) else { return .suspicious }
      let justified = throughput * (tolerated / .seconds(1))
      approach(Swift.max(wanted, justified), room: room)
    } else if Double(use) >= value * Tuning.neededShare {
      approach(wanted, room: room)
    } else if value > initial, Double(use) < value / 4 {
      value = Swift.max(initial, value * Tuning.idleShrinkage)
    }
    return limit == before ? .unchanged : .changed
  }

  /// Small steps are half noise, large ones are not.
  private mutating func approach(_ wanted: Double, room: Double) {
    let bounded = Swift.max(Swift.min(wanted, value * Tuning.growthMax), value * Tuning.shrinkageMax)
    let change = bounded - value
    let step = abs(change) < value / 3 ? change / 2 : change
    // The headroom finds out when more has become possible.
    let headroom = 1 + value / 16
    value = Swift.max(Double(min), value + Swift.min(step + headroom, room))
  }

  /// What is known grows old, sooner if the limit has moved far on its word.
  private func isStale(_ now: ContinuousClock.Instant) -> Bool {
    guard let at = knowledge.at, baseline != nil else { return true }
    let age = at.duration(to: now)
    return age >= knowledge.span || age >= knowledge.gap && value <= knowledge.value / 2
  }

  /// A call that was admitted when almost none ran: the baseline follows it slowly, and many of them are as good as a
  /// calibration. So are a few in the beginning: a process that starts under full load has no more, and what the
  /// first ones took is far better than holding up all that follow.
  private mutating func observeQuiet(_ latency: Duration, _ now: ContinuousClock.Instant) {
    guard let known = baseline else {
      baseline = latency
      return
    }
    let isFirst = knowledge.at == nil
    knowledge.quiet += 1
    let share = isFirst ? Swift.min(knowledge.quiet + 1, Tuning.quietMemory) : Tuning.quietMemory
    baseline = known + (Swift.min(latency, known * 4) - known) / share
    guard knowledge.quiet >= (isFirst ? Tuning.quietSamplesFirst : Tuning.quietSamples) else { return }
    knowledge.at = now
    knowledge.value = value
    knowledge.span = Swift.max(Tuning.calibrationIntervalMin, (baseline ?? .zero) * Tuning.quietSpan)
    if isFirst { knowledge.gap = knowledge.span }
    knowledge.isMeasured = false
  }
}

/// Numbers of the control loop that nobody needs to move.
enum Tuning {
  /// A window is short against what people notice, and holds enough calls for their mean to settle.
  static let windowMin = Duration.milliseconds(100)
  static let windowSamples = 48
  static let windowSamplesMax = 256
  /// Slow traffic decides on fewer calls.
  static let windowLong = Duration.milliseconds(500)
  static let windowSamplesLong = 16
  static let windowMax = Duration.seconds(1)
  static let windowSamplesMin = 4
  /// Calls that take even longer are judged before they have ended.
  static let windowLongest = Duration.seconds(5)
  /// What a limit is multiplied with in one window at most and at least: one odd window is not believed alone.
  static let growthMax = 1.5
  static let shrinkageMax = 0.5
  /// The limit moves only if the calls come near it.
  static let neededShare = 0.8
  /// One of so many calls that miss their deadline is too many.
  static let missedShare = 4
  /// Calls at less than a sixteenth of the limit are hardly in each other's way.
  static let quietShare = 16
  static let quietSamples = 32
  static let quietSamplesFirst = 6
  /// The baseline is a mean of about so many of them.
  static let quietMemory = 16
  /// For how many times what a call takes it is believed.
  static let quietSpan = 10
  /// A limit that is not used returns to where it began.
  static let idleShrinkage = 0.95

  /// How soon a baseline is measured again under congestion; twice as long each time it is confirmed.
  static let calibrationIntervalMin = Duration.seconds(5)
  static let calibrationIntervalMax = Duration.seconds(60)
  /// Measuring takes a twentieth of the time at most.
  static let calibrationRest = 20
  /// However suspicious, never sooner.
  static let calibrationGap = Duration.seconds(1)
}

extension [Duration] {
  /// The mean, in which nothing counts for more than four times the middle one; zero if there is none.
  var robustMean: Duration {
    guard !isEmpty else { return .zero }
    let most = sorted()[count / 2] * 4
    return reduce(Duration.zero) { $0 + Swift.min($1, most) } / count
  }
}
