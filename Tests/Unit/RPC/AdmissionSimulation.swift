@testable import RPC

/// Calls that arrive whether or not the others are done, or callers that go round in a circle; admission with its
/// queue; and something behind it that all admitted calls need. Time is simulated: a minute passes in a moment.
struct AdmissionSimulation {
  /// What the calls need.
  enum Resource {
    /// So many calls at a time, each for a while.
    case pool(Int)
    /// All waiting calls at once, up to so many; a batch takes a while and some more per call.
    case batches(itemsMax: Int, fixed: Double, perItem: Double)
  }

  struct Load {
    var lane = AdmissionLane.normal
    /// Calls per second.
    var rate: Double
    /// Seconds that a call holds its place in a pool.
    var service = 0.005
    /// Seconds that a call takes besides.
    var apart = 0.0
    /// Seconds after which a call that still waits for the resource is given up.
    var deadline = 1_000.0
    /// So many callers, each of which calls again when it has its answer.
    var callers = 0
  }

  struct Outcome {
    var completed = 0
    var refused = 0
    /// Calls whose deadline passed.
    var missed = 0
    /// From their arrival, the wait for admission included.
    var latencies: [Double] = []
    /// Of all calls that ended.
    var limits: [Int] = []

    /// Seconds.
    func latency(_ share: Double) -> Double {
      let sorted = latencies.sorted()
      return sorted.isEmpty ? 0 : sorted[min(Int(Double(sorted.count) * share), sorted.count - 1)]
    }
  }

  private enum Event {
    case arrival(Int)
    case needs(Call)
    case poolDone(Call)
    case batchDone([Call])
    case ended(Call)
    case deadline(Call)
  }

  private struct Call {
    let number: Int
    let group: Int
    let arrived: Double
    let admitted: Double
    /// How many ran when it was admitted.
    let crowd: Int
  }

  var loads: [Load]
  var resource: Resource
  private(set) var regulator: AdmissionRegulator
  private var events = Heap()
  private var waiting: [Call] = []
  private var waitingHead = 0
  /// Those of `waiting` that were not given up.
  private var isWaiting: Set<Int> = []
  private var numbers = 0
  private var busy = 0
  private var running: [Int]
  /// When those that wait have come.
  private var queues: [WaitQueue<Double>]
  private var time = 0.0
  private var random: Seeded

  init(_ resource: Resource, _ loads: [Load], limitMin: Int = 8, limitMax: Int = 4_000, seed: UInt64 = 1) {
    self.resource = resource
    self.loads = loads
    random = Seeded(state: seed)
    running = Array(repeating: 0, count: loads.count)
    regulator = AdmissionRegulator(
      lanes: loads.map(\.lane), limitMin: limitMin, limitMax: limitMax, now: AdmissionSimulation.epoch)
    queues = loads.map { _ in WaitQueue() }
    for (group, load) in loads.enumerated() {
      for _ in 0..<max(load.callers, 1) { events.push(0, .arrival(group)) }
    }
  }

  /// Lets the seconds pass and tells what happened in them, per group.
  mutating func run(seconds: Double) -> [Outcome] {
    var outcomes = loads.map { _ in Outcome() }
    let until = time + seconds
    while let (at, event) = events.pop(before: until) {
      time = at
      switch event {
      case .arrival(let group): arrive(group, &outcomes[group])
      case .needs(let call):
        waiting.append(call)
        isWaiting.insert(call.number)
        events.push(call.arrived + loads[call.group].deadline, .deadline(call))
        serve()
      case .poolDone(let call):
        busy -= 1
        finish(call)
        serve()
      case .batchDone(let calls):
        busy = 0
        for call in calls { finish(call) }
        serve()
      case .ended(let call): conclude(call, &outcomes[call.group], isUseful: true)
      case .deadline(let call):
        if isWaiting.remove(call.number) != nil { conclude(call, &outcomes[call.group], isUseful: false) }
      }
    }
    time = until
    return outcomes
  }

  private mutating func arrive(_ group: Int, _ outcome: inout Outcome) {
    if loads[group].rate > 0 { events.push(time + random.exponential(1 / loads[group].rate), .arrival(group)) }
    admitWaiting(group, &outcome)
    guard queues[group].count > 0 || running[group] >= regulator.gate(group) else {
      return admit(group, since: time, crowd: running[group] + 1)
    }
    let limit = regulator.limits[group]
    let expected = limit.latency ?? .zero
    let number = queues[group].enter(
      time, pace: expected / max(limit.limit, 1), patience: Patience.of(expected), now: instant)
    if number == nil { refuse(group, &outcome) }
  }

  private mutating func refuse(_ group: Int, _ outcome: inout Outcome) {
    outcome.refused += 1
    if loads[group].callers > 0 { events.push(time + 0.1, .arrival(group)) }
    _ = regulator.tick(instant)
  }

  private mutating func admit(_ group: Int, since: Double, crowd: Int) {
    running[group] += 1
    numbers += 1
    events.push(time, .needs(Call(number: numbers, group: group, arrived: since, admitted: time, crowd: crowd)))
  }

  private mutating func admitWaiting(_ group: Int, _ outcome: inout Outcome) {
    for _ in queues[group].expire(now: instant) { refuse(group, &outcome) }
    while running[group] < regulator.gate(group), let since = queues[group].next() {
      admit(group, since: since, crowd: .max)
    }
  }

  private mutating func serve() {
    switch resource {
    case .pool(let places):
      while busy < places, let call = takeWaiting() {
        busy += 1
        events.push(time + random.exponential(loads[call.group].service), .poolDone(call))
      }
    case .batches(let itemsMax, let fixed, let perItem):
      guard busy == 0, waiting.count > waitingHead else { return }
      var batch: [Call] = []
      while batch.count < itemsMax, let call = takeWaiting() { batch.append(call) }
      busy = 1
      events.push(time + fixed + perItem * Double(batch.count), .batchDone(batch))
    }
  }

  private mutating func takeWaiting() -> Call? {
    while waitingHead < waiting.count {
      let call = waiting[waitingHead]
      waitingHead += 1
      if waitingHead > 1_024, waitingHead * 2 > waiting.count {
        waiting.removeFirst(waitingHead)
        waitingHead = 0
      }
      if isWaiting.remove(call.number) != nil { return call }
    }
    return nil
  }

  private mutating func finish(_ call: Call) {
    events.push(time + loads[call.group].apart, .ended(call))
  }

  private mutating func conclude(_ call: Call, _ outcome: inout Outcome, isUseful: Bool) {
    let latency = time - call.admitted
    let sample = ConcurrencyLimit.Sample(
      latency: .seconds(latency), running: running[call.group],
      admitted: AdmissionSimulation.epoch + .seconds(call.admitted), crowd: call.crowd, isUseful: isUseful)
    running[call.group] -= 1
    _ = regulator.record(call.group, sample, now: instant)
    admitWaiting(call.group, &outcome)
    if loads[call.group].callers > 0 { events.push(time, .arrival(call.group)) }
    outcome.limits.append(regulator.limits[call.group].limit)
    guard isUseful else {
      outcome.missed += 1
      return
    }
    outcome.completed += 1
    outcome.latencies.append(time - call.arrived)
  }

  var instant: ContinuousClock.Instant { AdmissionSimulation.epoch + .seconds(time) }
  private static let epoch = ContinuousClock.now

  /// Events by time.
  private struct Heap {
    private var items: [(Double, Int, Event)] = []
    private var count = 0

    mutating func push(_ time: Double, _ event: Event) {
      count += 1
      items.append((time, count, event))
      var child = items.count - 1
      while child > 0, isBefore(child, (child - 1) / 2) {
        items.swapAt(child, (child - 1) / 2)
        child = (child - 1) / 2
      }
    }

    mutating func pop(before end: Double) -> (Double, Event)? {
      guard let first = items.first, first.0 < end else { return nil }
      items.swapAt(0, items.count - 1)
      items.removeLast()
      var parent = 0
      while true {
        var least = parent
        for child in [2 * parent + 1, 2 * parent + 2] where child < items.count && isBefore(child, least) {
          least = child
        }
        if least == parent { break }
        items.swapAt(parent, least)
        parent = least
      }
      return (first.0, first.2)
    }

    private func isBefore(_ left: Int, _ right: Int) -> Bool {
      (items[left].0, items[left].1) < (items[right].0, items[right].1)
    }
  }
}

/// Numbers that look random and are the same in every run (xorshift64*).
struct Seeded: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state ^= state >> 12
    state ^= state << 25
    state ^= state >> 27
    return state &* 0x2545_F491_4F6C_DD1D
  }

  /// Spans between things that happen independently of each other.
  mutating func exponential(_ mean: Double) -> Double {
    -mean * Double.logarithm(1 - Double.random(in: 0..<1, using: &self))
  }
}

extension Double {
  /// Natural, without Foundation: by the series of atanh around a power of two.
  fileprivate static func logarithm(_ value: Double) -> Double {
    let ratio = (value.significand - 1) / (value.significand + 1)
    let square = ratio * ratio
    var term = ratio
    var sum = 0.0
    for odd in stride(from: 1.0, through: 31, by: 2) {
      sum += term / odd
      term *= square
    }
    return 2 * sum + Double(value.exponent) * 0.693_147_180_559_945_3
  }
}
