/// The limits of all groups of a process, and what they have in common: the bound of all of them, and calibrations.
///
/// A value without a clock: every method is told the time.
struct AdmissionRegulator: Sendable {
  private(set) var limits: [ConcurrencyLimit]
  private(set) var calibration: Calibration?
  private let lanes: [AdmissionLane]
  private let limitMax: Int

  /// - Parameters:
  ///   - lanes: of the groups; a group is known by its place.
  ///   - limitMin: below which no group's limit falls.
  ///   - limitMax: what the limits of all groups come to at most.
  init(lanes: [AdmissionLane], limitMin: Int, limitMax: Int, now: ContinuousClock.Instant) {
    self.lanes = lanes
    self.limitMax = limitMax
    // So many groups that not even the lower bounds fit: then the upper bound counts.
    let min = Swift.min(limitMin, Swift.max(limitMax / Swift.max(lanes.count, 1), 1))
    let share = limitMax / AdmissionRegulator.initialShare / Swift.max(lanes.count, 1)
    let initial = Swift.min(AdmissionRegulator.initial, Swift.max(min, share))
    limits = lanes.map { ConcurrencyLimit(min: min, initial: initial, lane: $0, now: now) }
  }

  /// Where a limit begins: more than most services ever need, until they are found to need less.
  static let initial = 128
  /// All beginnings together leave room for those that need more.
  static let initialShare = 2

  /// A congestion that was seen no longer ago than this goes on.
  static let congestionMemory = Duration.seconds(2)

  /// How many calls of a group may run now.
  func gate(_ group: Int) -> Int {
    let limit = limits[group].limit
    return calibration?.gates[group].map { min($0, limit) } ?? limit
  }

  /// What there is to tell the groups.
  enum News {
    /// Nothing: most samples only join a window.
    case none
    /// The group has learned something of itself.
    case ofGroup
    /// Gates may have moved.
    case ofAll
  }

  /// Learns from a call that has ended.
  mutating func record(_ group: Int, _ sample: ConcurrencyLimit.Sample, now: ContinuousClock.Instant) -> News {
    if let progress = calibration?.record(group, sample, now: now) { return follow(progress, now) ? .ofAll : .none }
    switch limits[group].record(sample, room: room(for: lanes[group], now), now: now) {
    case .pending: return .none
    case .unchanged: return .ofGroup
    case .changed: return .ofAll
    case .suspicious:
      calibrate(for: group, now)
      return .ofAll
    }
  }

  /// Ends a calibration that hangs because no calls come.
  mutating func tick(_ now: ContinuousClock.Instant) -> News {
    guard let progress = calibration?.tick(now) else { return .none }
    return follow(progress, now) ? .ofAll : .none
  }

  private mutating func calibrate(for group: Int, _ now: ContinuousClock.Instant) {
    // Calls of the highest lane are not held up for a measurement, unless they are part of the throng.
    let uses = limits.indices.map { other -> Calibration.Use? in
      let use = limits[other].recentUse(now)
      let isHeld = other == group || lanes[other] != .critical || use.running > limits[other].limit / 2
      return isHeld ? use : nil
    }
    calibration = Calibration(requester: group, limits[group].occasion, uses: uses, now: now)
  }

  private mutating func follow(_ progress: Calibration.Progress, _ now: ContinuousClock.Instant) -> Bool {
    guard let calibration, progress != .goesOn else { return false }
    guard progress != .descended else { return true }
    let results = progress == .finished ? calibration.results(now) : []
    let effort = calibration.began.duration(to: now)
    for (group, result) in results.enumerated() {
      if let result { limits[group].calibrated(result, effort: effort, now: now) }
    }
    // Where nothing was found out, asking again at once would not help.
    if progress == .gaveUp { limits[calibration.requester].calibrated(nil, effort: effort, now: now) }
    self.calibration = nil
    for group in limits.indices { limits[group].restart(now) }
    return true
  }

  /// By how much a limit may grow. Lower lanes leave room for the higher ones, and all of it to congested ones: they
  /// may be waiting for the same thing.
  private func room(for lane: AdmissionLane, _ now: ContinuousClock.Instant) -> Double {
    var all = 0.0
    var same = 0.0
    for group in limits.indices {
      if lanes[group].share > lane.share, let at = limits[group].congestedAt,
        at.duration(to: now) < AdmissionRegulator.congestionMemory
      {
        return 0
      }
      all += limits[group].value
      if lanes[group].share <= lane.share { same += limits[group].value }
    }
    let bound = Double(limitMax)
    return max(0, min(bound - all, bound * lane.share - same))
  }
}
