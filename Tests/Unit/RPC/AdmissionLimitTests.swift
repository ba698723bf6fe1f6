import Testing

@testable import RPC

/// The control loop alone, in simulated time. Every run is the same.
@Suite("The limit of running calls is learned")
struct AdmissionLimitTests {
  @Test(
    "three times as many calls as can be served cost hardly any throughput, and the served ones do not wait for long",
    arguments: [(10, 0.005, 2), (10, 0.05, 10), (20, 0.1, 10), (3, 0.02, 10)])
  func overload(places: Int, service: Double, seconds: Double) {
    let capacity = Double(places) / service
    var simulation = AdmissionSimulation(.pool(places), [.init(rate: 3 * capacity, service: service)])
    _ = simulation.run(seconds: seconds)
    let outcome = simulation.run(seconds: seconds)[0]
    #expect(Double(outcome.completed) >= 0.8 * capacity * seconds)
    let wait = Patience.of(.seconds(service)) / .seconds(1)
    #expect(outcome.latency(0.5) <= wait + max(3 * service, 0.05))
    // A call alone takes `service` in the mean, and 4.6 times that in one of a hundred cases.
    #expect(outcome.latency(0.99) <= wait * Patience.slack + max(7 * service, 0.1))
  }

  @Test(
    "callers that go round in a circle wait for a moment and are all served, from the start",
    arguments: [
      (256, AdmissionSimulation.Resource.batches(itemsMax: 500, fixed: 0.003, perItem: 0.000_125)),
      (512, .batches(itemsMax: 500, fixed: 0.003, perItem: 0.000_125)),
      (256, .batches(itemsMax: 500, fixed: 0.02, perItem: 0.001)), (256, .pool(20)),
    ])
  func circles(callers: Int, resource: AdmissionSimulation.Resource) {
    var simulation = AdmissionSimulation(resource, [.init(rate: 0, service: 0.02, callers: callers)])
    let outcome = simulation.run(seconds: 4)[0]
    #expect(outcome.refused == 0)
    #expect(outcome.completed > 4 * callers)
  }

  @Test(
    "a start under full load of slow calls costs hardly any throughput either",
    arguments: [(10, 0.05), (50, 0.1), (20, 0.5), (100, 1.0)])
  func coldStart(places: Int, service: Double) {
    let capacity = Double(places) / service
    var simulation = AdmissionSimulation(.pool(places), [.init(rate: 3 * capacity, service: service, deadline: 10)])
    // The first answers cannot come sooner.
    _ = simulation.run(seconds: 2 * service)
    let outcome = simulation.run(seconds: 8 * max(service, 0.5))[0]
    #expect(Double(outcome.completed) >= 0.75 * capacity * 8 * max(service, 0.5))
  }

  @Test("the limit stays where it is while nothing changes")
  func steadiness() {
    var simulation = AdmissionSimulation(.pool(20), [.init(rate: 600, service: 0.1)])
    _ = simulation.run(seconds: 10)
    let limits = simulation.run(seconds: 15)[0].limits.sorted()
    #expect(limits[limits.count / 20] * 2 >= limits[limits.count * 19 / 20])
  }

  @Test("calls that are not in each other's way are not refused, however many there are")
  func growth() {
    var simulation = AdmissionSimulation(.pool(10_000), [.init(rate: 3_000, service: 0.1)])
    _ = simulation.run(seconds: 2)
    let outcome = simulation.run(seconds: 1)[0]
    #expect(outcome.refused == 0)
    #expect(simulation.regulator.limits[0].limit >= 300)
  }

  @Test("where most calls come too late, fewer run until those that do come in time")
  func futility() {
    // Ten calls per second can be served. A hundred at a time would each wait for longer than their deadline.
    var simulation = AdmissionSimulation(.pool(10), [.init(rate: 30, service: 1, deadline: 5)])
    _ = simulation.run(seconds: 60)
    let outcome = simulation.run(seconds: 60)[0]
    #expect(Double(outcome.completed) >= 0.7 * 10 * 60)
    #expect(outcome.missed < outcome.completed / 20)
  }

  @Test("when everything takes longer for reasons of its own, the calls are not blamed for it")
  func slowness() {
    var simulation = AdmissionSimulation(.pool(10_000), [.init(rate: 400, service: 0.1)])
    _ = simulation.run(seconds: 5)
    simulation.loads[0].service = 0.4
    _ = simulation.run(seconds: 15)
    let outcome = simulation.run(seconds: 5)[0]
    #expect(Double(outcome.refused) <= 0.02 * Double(outcome.completed))
  }

  @Test("what works in batches gets the many calls that it needs")
  func batches() {
    // Two hundred at once take 28 ms: 7 143 calls per second.
    var simulation = AdmissionSimulation(
      .batches(itemsMax: 200, fixed: 0.003, perItem: 0.000_125), [.init(rate: 12_000)])
    _ = simulation.run(seconds: 1)
    let outcome = simulation.run(seconds: 1)[0]
    #expect(Double(outcome.completed) >= 0.8 * 7_143)
  }

  @Test("where all wait for the same, urgent calls go first and reports last")
  func lanes() {
    var simulation = AdmissionSimulation(
      .pool(20),
      [
        .init(lane: .critical, rate: 20, service: 0.1), .init(lane: .normal, rate: 300, service: 0.1),
        .init(lane: .background, rate: 300, service: 0.1),
      ])
    _ = simulation.run(seconds: 15)
    let outcomes = simulation.run(seconds: 10)
    #expect(outcomes[0].refused == 0)
    #expect(outcomes[0].latency(0.99) <= 0.8)
    #expect(outcomes[1].completed > 2 * outcomes[2].completed)
    // The lowest lane is not starved either: its limit has a lower bound.
    #expect(outcomes[2].completed > 50)
    let all = outcomes.reduce(0) { $0 + $1.completed }
    #expect(Double(all) >= 0.8 * 200 * 10)
  }

  @Test("limits stay within their bounds, one by one and together")
  func bounds() {
    var simulation = AdmissionSimulation(
      .pool(100_000), (0..<4).map { _ in .init(rate: 500, service: 0.2) }, limitMin: 8, limitMax: 120)
    let outcomes = simulation.run(seconds: 4)
    #expect(simulation.regulator.limits.reduce(0) { $0 + $1.limit } <= 120)
    #expect(outcomes.allSatisfy { $0.refused > 0 })
    simulation.resource = .pool(1)
    _ = simulation.run(seconds: 5)
    #expect(simulation.regulator.limits.allSatisfy { $0.limit >= 8 })
  }

  @Test("lower lanes leave room for higher ones")
  func shares() {
    var simulation = AdmissionSimulation(
      .pool(100_000),
      [.init(lane: .background, rate: 2_000, service: 0.2), .init(lane: .critical, rate: 0, service: 0.2)],
      limitMin: 8, limitMax: 300)
    _ = simulation.run(seconds: 4)
    #expect(simulation.regulator.limits[0].limit <= 150)
    simulation = AdmissionSimulation(
      .pool(100_000), [.init(lane: .critical, rate: 2_000, service: 0.2)], limitMin: 8, limitMax: 300)
    _ = simulation.run(seconds: 4)
    #expect(simulation.regulator.limits[0].limit > 280)
  }

  @Test("more methods than the bound has room for still get a place each")
  func crowd() {
    let regulator = AdmissionRegulator(
      lanes: Array(repeating: .normal, count: 50), limitMin: 8, limitMax: 20, now: .now)
    #expect(regulator.limits.allSatisfy { $0.limit == 1 })
  }

  @Test("a calibration for which no calls come gives up and the limits hold again")
  func abandonedCalibration() {
    var simulation = AdmissionSimulation(.pool(5), [.init(rate: 300, service: 0.05)])
    var rounds = 0
    while simulation.regulator.calibration == nil, rounds < 1_000 {
      _ = simulation.run(seconds: 0.01)
      rounds += 1
    }
    var regulator = simulation.regulator
    #expect(regulator.gate(0) < regulator.limits[0].limit)
    let early = regulator.tick(simulation.instant)
    #expect(early == .none)
    let late = regulator.tick(simulation.instant + .seconds(60))
    #expect(late == .ofAll)
    #expect(regulator.calibration == nil)
    #expect(regulator.gate(0) == regulator.limits[0].limit)
  }

  @Test(
    "the lane of a method follows from what its proto says",
    arguments: [
      ("grpc.health.v1.Health", MethodRules.closed, nil),
      ("grpc.reflection.v1.ServerReflection", .closed, AdmissionLane.background),
      ("mobo.wallet.v1.WalletInternalService", MethodRules(callers: ["order"], mutating: true), .critical),
      ("mobo.wallet.v1.WalletService", MethodRules(roles: ["admin"], mutating: true), .normal),
      ("mobo.wallet.v1.WalletService", MethodRules(roles: ["*"]), .background),
      ("mobo.identity.v1.IdentityService", MethodRules(isPublic: true), .normal),
      ("test.v1.Probe", .closed, .normal),
    ])
  func laneOfMethod(service: String, rules: MethodRules, lane: AdmissionLane?) {
    #expect(AdmissionLane(MethodDescriptor(service: service, name: "Call", rules: rules)) == lane)
  }
}
