import Testing

@testable import RPC

extension SubchannelID: ExpressibleByIntegerLiteral {
  public init(integerLiteral value: Int) { self.init(number: value) }
}

extension Subchannel.Member {
  static func all(_ numbers: Int..., isIPv6: Bool = false) -> [Subchannel.Member] {
    numbers.map { Subchannel.Member(id: SubchannelID(number: $0), isIPv6: isIPv6) }
  }
}

@Suite("pick_first")
struct PickFirstTests {
  private func balancer(_ members: [Subchannel.Member] = Subchannel.Member.all(1, 2, 3)) -> PickFirst {
    var balancer = PickFirst(shuffles: false)
    #expect(balancer.update(members).isEmpty)
    return balancer
  }

  private func pick(_ balancer: PickFirst) -> SubchannelID? {
    var balancer = balancer
    return balancer.pick { _ in 0 }
  }

  @Test("nothing is connected until a call comes")
  func idle() {
    let balancer = balancer()
    #expect(balancer.state == .idle)
    #expect(pick(balancer) == nil)
  }

  @Test("addresses are tried in order, the next when one fails, and the first that is ready gets everything")
  func order() {
    var balancer = balancer()
    #expect(balancer.leaveIdle() == [.connect(1), .startDelay])
    #expect(balancer.state == .connecting)
    #expect(balancer.changed(1, to: .connecting).isEmpty)
    #expect(balancer.changed(1, to: .transientFailure) == [.connect(2), .startDelay])
    #expect(balancer.changed(2, to: .ready) == [.stopDelay, .disconnect(1)])
    #expect(balancer.state == .ready)
    #expect(pick(balancer) == 2)
    #expect(balancer.pick { _ in nil } == nil)
  }

  @Test("a slow address gets company after the delay, and whoever is ready first wins")
  func delay() {
    var balancer = balancer()
    _ = balancer.leaveIdle()
    _ = balancer.changed(1, to: .connecting)
    #expect(balancer.delayPassed() == [.connect(2), .startDelay])
    _ = balancer.changed(2, to: .connecting)
    #expect(balancer.delayPassed() == [.connect(3)])
    _ = balancer.changed(3, to: .connecting)
    #expect(balancer.delayPassed().isEmpty)
    #expect(balancer.changed(1, to: .ready) == [.disconnect(2), .disconnect(3)])
    #expect(balancer.changed(2, to: .idle).isEmpty)
    #expect(pick(balancer) == 1)
  }

  @Test("when all have failed each is tried again after its pause, and the names are looked up")
  func failure() {
    var balancer = balancer(Subchannel.Member.all(1, 2))
    _ = balancer.leaveIdle()
    _ = balancer.changed(1, to: .connecting)
    _ = balancer.changed(1, to: .transientFailure)
    _ = balancer.changed(2, to: .connecting)
    #expect(balancer.changed(2, to: .transientFailure) == [.resolve])
    #expect(balancer.state == .transientFailure)
    #expect(balancer.changed(1, to: .idle) == [.connect(1)])
    #expect(balancer.changed(1, to: .connecting).isEmpty)
    #expect(balancer.state == .transientFailure)
    #expect(balancer.changed(1, to: .ready) == [.disconnect(2)])
    #expect(balancer.state == .ready)
  }

  @Test("an address whose pause ends while others are tried is tried again behind them")
  func pauseInRound() {
    var balancer = balancer(Subchannel.Member.all(1, 2))
    _ = balancer.leaveIdle()
    _ = balancer.changed(1, to: .transientFailure)
    _ = balancer.changed(2, to: .connecting)
    #expect(balancer.changed(1, to: .idle).isEmpty)
    #expect(balancer.changed(2, to: .transientFailure) == [.resolve, .connect(1)])
    #expect(balancer.state == .transientFailure)
  }

  @Test("a lost connection makes it idle; the next call begins with the first address again")
  func loss() {
    var balancer = balancer()
    _ = balancer.leaveIdle()
    _ = balancer.changed(1, to: .transientFailure)
    _ = balancer.changed(2, to: .ready)
    _ = balancer.changed(1, to: .idle)
    #expect(balancer.changed(2, to: .idle) == [.resolve])
    #expect(balancer.state == .idle)
    #expect(balancer.leaveIdle() == [.connect(1), .startDelay])
  }

  @Test("new addresses leave the connection alone while its own is among them")
  func update() {
    var balancer = balancer()
    _ = balancer.leaveIdle()
    _ = balancer.changed(1, to: .ready)
    #expect(balancer.update(Subchannel.Member.all(4, 1)).isEmpty)
    #expect(pick(balancer) == 1)
    #expect(balancer.update(Subchannel.Member.all(4, 5)) == [.resolve])
    #expect(balancer.state == .idle)
    #expect(balancer.leaveIdle() == [.connect(4), .startDelay])
  }

  @Test("new addresses are tried when the old ones could not be reached, without a moment of hope")
  func updateInFailure() {
    var balancer = balancer(Subchannel.Member.all(1))
    #expect(balancer.leaveIdle() == [.connect(1)])
    _ = balancer.changed(1, to: .transientFailure)
    #expect(balancer.update(Subchannel.Member.all(1, 2)) == [.connect(2)])
    #expect(balancer.state == .transientFailure)
    #expect(balancer.changed(2, to: .ready) == [.disconnect(1)])
  }

  @Test("families take turns")
  func families() {
    var balancer = balancer(Subchannel.Member.all(1, 2, isIPv6: true) + Subchannel.Member.all(3, 4))
    #expect(balancer.leaveIdle() == [.connect(1), .startDelay])
    #expect(balancer.changed(1, to: .transientFailure) == [.connect(3), .startDelay])
    #expect(balancer.changed(3, to: .transientFailure) == [.connect(2), .startDelay])
    #expect(balancer.changed(2, to: .transientFailure) == [.connect(4), .stopDelay])
  }
}

@Suite("round_robin and least_request")
struct SpreadTests {
  @Test("all addresses are connected and get calls in turn; full ones are passed over")
  func turns() {
    var balancer = RoundRobin(turn: 0)
    _ = balancer.update(Subchannel.Member.all(1, 2, 3))
    #expect(balancer.state == .idle)
    #expect(balancer.leaveIdle() == [.connect(1), .connect(2), .connect(3)])
    #expect(balancer.state == .connecting)
    for id in [1, 2, 3] as [SubchannelID] { _ = balancer.changed(id, to: .ready) }
    #expect((0..<4).map { _ in balancer.pick { _ in 0 } } == [1, 2, 3, 1])
    #expect((0..<3).map { _ in balancer.pick { $0 == 2 ? nil : 0 } } == [3, 1, 3])
    #expect(balancer.pick { _ in nil } == nil)
  }

  @Test("one ready address is enough; all must have failed to fail")
  func aggregation() {
    var balancer = RoundRobin(turn: 0)
    _ = balancer.update(Subchannel.Member.all(1, 2))
    _ = balancer.leaveIdle()
    #expect(balancer.changed(1, to: .transientFailure) == [.resolve])
    #expect(balancer.state == .connecting)
    _ = balancer.changed(2, to: .transientFailure)
    #expect(balancer.state == .transientFailure)
    // Trying again is no reason for hope yet.
    #expect(balancer.changed(1, to: .idle) == [.connect(1)])
    _ = balancer.changed(1, to: .connecting)
    #expect(balancer.state == .transientFailure)
    _ = balancer.changed(1, to: .ready)
    #expect(balancer.state == .ready)
    #expect(balancer.changed(1, to: .idle) == [.resolve, .connect(1)])
    #expect(balancer.state == .connecting)
  }

  @Test("new addresses are connected, and those that are gone get no calls")
  func update() {
    var balancer = RoundRobin(turn: 0)
    _ = balancer.update(Subchannel.Member.all(1, 2))
    _ = balancer.leaveIdle()
    for id in [1, 2] as [SubchannelID] { _ = balancer.changed(id, to: .ready) }
    #expect(balancer.update(Subchannel.Member.all(2, 3)) == [.connect(3)])
    #expect((0..<2).map { _ in balancer.pick { _ in 0 } } == [2, 2])
    #expect(balancer.changed(1, to: .idle).isEmpty)
  }

  // Goal: the power of two choices. Method: the random numbers are given.
  @Test("of the random choice the least busy address gets the call")
  func leastRequest() {
    var numbers = [0, 2, 1, 1, 2, 0].makeIterator()
    var balancer = LeastRequest(choices: 2) { _ in numbers.next() ?? 0 }
    _ = balancer.update(Subchannel.Member.all(1, 2, 3))
    _ = balancer.leaveIdle()
    for id in [1, 2, 3] as [SubchannelID] { _ = balancer.changed(id, to: .ready) }
    let load: (SubchannelID) -> Int? = { [1: 5, 2: 7, 3: 4][$0.number] }
    #expect(balancer.pick(load) == 3)
    #expect(balancer.pick(load) == 2)
    #expect(balancer.pick { $0 == 2 ? 9 : nil } == 2)
  }
}

@Suite("Outlier detection")
struct OutlierTests {
  private static let start = ContinuousClock.now
  private static let ids: [SubchannelID] = [1, 2, 3, 4, 5]

  private func detector(_ rules: OutlierDetection) -> OutlierDetector {
    var detector = OutlierDetector(rules: rules, chance: { 0 })
    detector.update(Self.ids)
    return detector
  }

  private func record(_ detector: inout OutlierDetector, _ failuresOfHundred: [Int]) {
    for (id, failures) in zip(Self.ids, failuresOfHundred) {
      for number in 0..<100 { detector.record(id, succeeded: number >= failures) }
    }
  }

  @Test("an address that fails more than the threshold is ejected, one that fails as much is not")
  func threshold() {
    var detector = detector(OutlierDetection(maxEjectionPercent: 100, failurePercentage: .init(thresholdPercent: 50)))
    record(&detector, [0, 0, 0, 50, 51])
    #expect(detector.sweep(now: Self.start) == [5])
    #expect(detector.isEjected(5))
    #expect(!detector.isEjected(4))
  }

  @Test("an address below the others' rate of success is ejected")
  func successRate() {
    var detector = detector(OutlierDetection(successRate: .init()))
    record(&detector, [0, 1, 0, 1, 30])
    #expect(detector.sweep(now: Self.start) == [5])
    var even = self.detector(OutlierDetection(successRate: .init()))
    record(&even, [30, 31, 30, 31, 30])
    #expect(even.sweep(now: Self.start).isEmpty)
  }

  @Test("too few addresses, or too few calls, are not judged")
  func minimums() {
    let rules = OutlierDetection(
      maxEjectionPercent: 100, failurePercentage: .init(thresholdPercent: 10, hostsMin: 5, callsMin: 101))
    var detector = detector(rules)
    record(&detector, [0, 0, 0, 0, 100])
    #expect(detector.sweep(now: Self.start).isEmpty)
    record(&detector, [0, 0, 0, 0, 100])
    #expect(detector.sweep(now: Self.start).isEmpty)  // What an earlier interval counted is forgotten.
    for id in Self.ids { detector.record(id, succeeded: id != 5) }
    record(&detector, [0, 0, 0, 0, 100])
    #expect(detector.sweep(now: Self.start) == [5])
  }

  @Test("no more than the permitted share is ejected, and the chance must agree")
  func bounds() {
    let rule = OutlierDetection.FailurePercentage(thresholdPercent: 10)
    var detector = detector(OutlierDetection(maxEjectionPercent: 40, failurePercentage: rule))
    record(&detector, [100, 100, 100, 100, 0])
    #expect(detector.sweep(now: Self.start) == [1, 2])
    var lenient = OutlierDetector(
      rules: OutlierDetection(
        maxEjectionPercent: 100, failurePercentage: .init(thresholdPercent: 10, enforcementPercent: 30)),
      chance: { 30 })
    lenient.update(Self.ids)
    record(&lenient, [100, 0, 0, 0, 0])
    #expect(lenient.sweep(now: Self.start).isEmpty)
  }

  @Test("ejections last longer each time, up to the longest, and good intervals make them shorter")
  func duration() {
    let rules = OutlierDetection(
      baseEjectionTime: .seconds(30), maxEjectionTime: .seconds(45),
      failurePercentage: .init(thresholdPercent: 50))
    var detector = detector(rules)
    var now = Self.start
    record(&detector, [0, 0, 0, 0, 100])
    #expect(detector.sweep(now: now) == [5])
    #expect(detector.sweep(now: now + .seconds(29)).isEmpty)
    #expect(detector.sweep(now: now + .seconds(30)) == [5])
    #expect(!detector.isEjected(5))
    now += .seconds(31)
    record(&detector, [0, 0, 0, 0, 100])
    #expect(detector.sweep(now: now) == [5])
    #expect(detector.sweep(now: now + .seconds(44)).isEmpty)
    #expect(detector.sweep(now: now + .seconds(45)) == [5])
    // Two intervals without harm, and it counts as the first time again.
    _ = detector.sweep(now: now + .seconds(55))
    _ = detector.sweep(now: now + .seconds(65))
    record(&detector, [0, 0, 0, 0, 100])
    now += .seconds(75)
    #expect(detector.sweep(now: now) == [5])
    #expect(detector.sweep(now: now + .seconds(30)) == [5])
  }

  @Test("what a service refuses by its rules does not count against the host")
  func codes() {
    #expect(
      StatusCode.allCases.filter(\.isHostFailure).map(\.description).sorted() == [
        "DATA_LOSS", "DEADLINE_EXCEEDED", "INTERNAL", "RESOURCE_EXHAUSTED", "UNAVAILABLE", "UNKNOWN",
      ])
  }
}
