import Kernel
import Synchronization

/// One paisa from an owner to a shopper, for an order that nobody else settles.
struct Transfer: Sendable {
  let owner: UserID
  let shopper: UserID
  let order: OrderID

  static let amount = Money(paise: 1)
}

extension Population {
  /// The next one: so many of a hundred are of the first owner, the others of any.
  func transfer(hotPercent: Int, using random: inout some RandomNumberGenerator) -> Transfer {
    let isHot = Int.random(in: 0..<100, using: &random) < hotPercent
    let owner = isHot ? 0 : Int.random(in: 0..<owners.count, using: &random)
    let shopper = Int.random(in: 0..<shoppers.count, using: &random)
    return Transfer(owner: owners[owner], shopper: shoppers[shopper], order: .generate(at: SystemClock().now()))
  }
}

/// Makes transfers and takes the time of each.
struct Transfers: Sendable {
  /// Returns how often it had to be tried again.
  typealias Move = @Sendable (Transfer) async throws -> Int

  private let population: Population
  private let hotPercent: Int
  private let warmUp: Duration
  private let move: Move

  /// What begins within `warmUp` is counted apart, without its latency: connections are opened then.
  init(_ population: Population, hotPercent: Int, warmUp: Duration, _ move: @escaping Move) {
    self.population = population
    self.hotPercent = hotPercent
    self.warmUp = warmUp
    self.move = move
  }

  /// Callers that each wait for an answer before they call again.
  func closedLoop(callers: Int, for duration: Duration) async -> Tally {
    let clock = ContinuousClock()
    let start = clock.now + warmUp
    let end = start + duration
    return await withTaskGroup(of: Tally.self) { group in
      for _ in 0..<callers {
        group.addTask {
          var tally = Tally()
          var random = SystemRandomNumberGenerator()
          while clock.now < end, tally.firstFailure == nil {
            await one(at: clock.now, after: start, clock, &random, &tally)
          }
          return tally
        }
      }
      return await group.reduce(into: Tally()) { $0.add($1) }.over(start.duration(to: clock.now))
    }
  }

  /// Transfers that begin when they are due: a service that stands still is seen in the latencies.
  func steadily(_ rate: Int, for duration: Duration) async -> Tally {
    let clock = ContinuousClock()
    let first = clock.now
    let start = first + warmUp
    let total = Total()
    await withDiscardingTaskGroup { group in
      var begun = 0
      while true {
        let elapsed = first.duration(to: clock.now)
        if elapsed >= warmUp + duration { break }
        let due = Int(elapsed / .seconds(1) * Double(rate))
        while begun < due {
          begun += 1
          let dueAt = first + .seconds(1) * (Double(begun) / Double(rate))
          group.addTask {
            var tally = Tally()
            var random = SystemRandomNumberGenerator()
            await one(at: dueAt, after: start, clock, &random, &tally)
            total.add(tally)
          }
        }
        // The tasks of the group are never cancelled, so the pause is never cut short.
        try? await Task.sleep(for: .milliseconds(1), clock: clock)
      }
    }
    return total.tally.over(start.duration(to: clock.now))
  }

  private func one(
    at due: ContinuousClock.Instant, after start: ContinuousClock.Instant, _ clock: ContinuousClock,
    _ random: inout SystemRandomNumberGenerator, _ tally: inout Tally
  ) async {
    let next = population.transfer(hotPercent: hotPercent, using: &random)
    do {
      let conflicts = try await move(next)
      if due < start { tally.noteWarmUp() } else { tally.record(due.duration(to: clock.now), conflicts: conflicts) }
    } catch {
      tally.fail(error)
    }
  }
}

/// The tally of many tasks.
private final class Total: Sendable {
  private let state = Mutex(Tally())

  var tally: Tally { state.withLock { $0 } }

  func add(_ tally: Tally) {
    state.withLock { $0.add(tally) }
  }
}

/// What became of the transfers.
struct Tally: Sendable {
  private var micros: [Int] = []
  private var warmUps = 0
  private var conflicts = 0
  private(set) var firstFailure: String?
  private var failures = 0
  private var elapsed = Duration.zero

  mutating func record(_ latency: Duration, conflicts: Int) {
    micros.append(Int(latency / .microseconds(1)))
    self.conflicts += conflicts
  }

  mutating func noteWarmUp() {
    warmUps += 1
  }

  mutating func fail(_ error: any Error) {
    failures += 1
    firstFailure = firstFailure ?? "\(error)"
  }

  mutating func add(_ other: Tally) {
    micros += other.micros
    warmUps += other.warmUps
    conflicts += other.conflicts
    failures += other.failures
    firstFailure = firstFailure ?? other.firstFailure
  }

  func over(_ elapsed: Duration) -> Tally {
    var tally = self
    tally.elapsed = elapsed
    return tally
  }

  var json: String {
    let sorted = micros.sorted()
    func percentile(_ part: Double) -> Int {
      sorted.isEmpty ? 0 : sorted[min(sorted.count - 1, Int(part * Double(sorted.count)))]
    }
    let seconds = elapsed / .seconds(1)
    return "{\"transfers\":\(sorted.count),\"seconds\":\(seconds),\"perSecond\":\(Double(sorted.count) / seconds),"
      + "\"p50Micros\":\(percentile(0.5)),\"p99Micros\":\(percentile(0.99)),\"conflicts\":\(conflicts),"
      + "\"failures\":\(failures),\"warmUps\":\(warmUps)}"
  }
}
