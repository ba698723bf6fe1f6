/// Measures how quick calls are when fewer of them run.
///
/// A group that has become slow at many calls asks for it. For a moment only some of the calls may run, in all
/// groups of the process that may wait, because they may all be waiting for the same thing: a fourth, and a fourth of
/// that as long as it makes the calls much quicker and costs no throughput. After that they were not in each other's
/// way any more, and what they took is the baseline. Where calls are no quicker for being fewer, the slowness is not
/// of their making.
struct Calibration: Sendable {
  /// What a sample led to.
  enum Progress: Hashable, Sendable {
    case goesOn
    /// The gates have been lowered further.
    case descended
    case finished
    case gaveUp
  }

  /// How many calls of each group may run meanwhile; nil where the limit itself holds.
  private(set) var gates: [Int?]
  let requester: Int
  let began: ContinuousClock.Instant
  private let floor: Int
  /// Calls per second before, of all groups that are held back.
  private let throughput: Double
  /// What a call took before, or at the level before this.
  private var previous: Duration
  /// From here on calls count: those that were admitted before the level are gone by then.
  private var settled: ContinuousClock.Instant
  private var ended: [[Ended]]

  private struct Ended: Sendable {
    let admitted: ContinuousClock.Instant
    let latency: Duration
  }

  static let samples = 48
  static let samplesMax = 1_024
  /// Calls that take so long are held up for fewer of them: the measurement would cost more than it is worth.
  static let slow = Duration.milliseconds(250)
  static let samplesSlow = 16
  /// Enough when time is up, and for groups that did not ask.
  static let samplesMin = 12
  /// Fewer calls that are not quicker by a third: the throughput suffers more than the latency gains.
  static let improvementMin = 1.5
  /// Less of the throughput than this is clearly less.
  static let idleShare = 0.55
  static let divisor = 4
  /// As long as a level takes at least, and at most.
  static let levelMin = Duration.milliseconds(200)
  static let levelMax = Duration.seconds(10)

  /// What is known of the group that asks.
  struct Occasion: Sendable {
    /// What its calls take now.
    var latency: Duration
    /// How few of its calls are few enough.
    var floor: Int
  }

  /// How much of a group there is to hold back.
  struct Use: Sendable {
    /// How many calls ran at a time lately.
    var running: Int
    /// How many ended per second.
    var throughput: Double
  }

  /// - Parameter uses: of each group; nil for those that are left alone.
  init(requester: Int, _ occasion: Occasion, uses: [Use?], now: ContinuousClock.Instant) {
    self.requester = requester
    floor = occasion.floor
    began = now
    ended = Array(repeating: [], count: uses.count)
    // A call or two are in nobody's way.
    let held = uses.map { use in use.flatMap { $0.running > 2 ? $0 : nil } }
    gates = held.map { use in use.map { max($0.running / Calibration.divisor, 2) } }
    throughput = held.reduce(0) { $0 + ($1?.throughput ?? 0) }
    // The calls that ended are of before; by Little's law those that run now take this long.
    let running = held.reduce(0) { $0 + ($1?.running ?? 0) }
    let expected = throughput > 0 ? Duration.seconds(Double(running) / throughput) : .zero
    previous = max(occasion.latency, min(expected, Calibration.levelMax))
    settled = now + min(previous, Calibration.levelMax)
  }

  mutating func record(_ group: Int, _ sample: ConcurrencyLimit.Sample, now: ContinuousClock.Instant) -> Progress {
    // Only calls that were admitted at this level tell something about it.
    let wanted = previous >= Calibration.slow ? Calibration.samplesSlow : Calibration.samples
    if sample.admitted >= settled, ended[group].count < Calibration.samplesMax {
      ended[group].append(Ended(admitted: sample.admitted, latency: sample.latency))
      let count = ended[group].count
      if group == requester, count >= wanted, count % 8 == 0,
        let mean = measured(group, wanted, now)
      {
        return finishLevel(mean, now)
      }
    }
    return tick(now)
  }

  /// Ends a level for which too few calls come.
  mutating func tick(_ now: ContinuousClock.Instant) -> Progress {
    let patience = min(max(Calibration.levelMin, previous * 12), Calibration.levelMax)
    guard settled.duration(to: now) >= patience else { return .goesOn }
    guard let mean = measured(requester, Calibration.samplesMin, now) else { return .gaveUp }
    return finishLevel(mean, now)
  }

  /// What has been measured, per group; nil where too little has, and for groups that were left alone.
  func results(_ now: ContinuousClock.Instant) -> [Duration?] {
    gates.indices.map { gates[$0] == nil ? nil : measured($0, Calibration.samplesMin, now) }
  }

  /// The mean at this level. Of the calls admitted a moment ago only the quick ones have ended: they do not count.
  private func measured(_ group: Int, _ samples: Int, _ now: ContinuousClock.Instant) -> Duration? {
    let horizon = now - ended[group].map(\.latency).robustMean * 3
    let eligible = ended[group].filter { $0.admitted <= horizon }
    return eligible.count >= samples ? eligible.map(\.latency).robustMean : nil
  }

  private mutating func finishLevel(_ mean: Duration, _ now: ContinuousClock.Instant) -> Progress {
    let gate = gates[requester] ?? floor
    let isBetter = mean * Calibration.improvementMin < previous
    // By Little's law. Once fewer calls mean less throughput, none of them waits for another.
    let running = gates.reduce(0) { $0 + ($1 ?? 0) }
    let isIdle = Double(running) < Calibration.idleShare * throughput * (mean / .seconds(1))
    guard !isIdle, isBetter, gate > floor else { return .finished }
    previous = mean
    settled = now + mean
    for group in gates.indices {
      ended[group] = []
      gates[group] = gates[group].map { max($0 / Calibration.divisor, 2) }
    }
    return .descended
  }
}
