import Kernel
import Messages
import Testing

@testable import RPC
@testable import Transport

/// Admission in front of real calls. The limits are so low that nothing depends on time.
@Suite("Running handlers are bounded")
struct AdmissionTests {
  /// A method whose handlers stay until they are let go, whatever happens to their calls.
  private final class Work: Sendable {
    let begun = Counter()
    let isFull = Event()
    let go = Event()
    private let places: Int

    init(places: Int) { self.places = places }

    func run(_ bytes: [UInt8]) async -> [UInt8] {
      if begun.increment() == places { isFull.happen() }
      await go.wait()
      return bytes
    }
  }

  /// - Parameter patience: how long calls wait for their turn. Without a word about it for as long as it takes.
  private func admission(
    _ services: [any ServiceBinding], limit: Int, patience: Duration = .seconds(3_600)
  ) -> AdmissionControl {
    var configuration = AdmissionConfiguration(limitMin: limit, limitMax: limit, streamsMax: limit)
    configuration.patienceMin = patience
    configuration.heedsLag = false  // The event loops of all tests that run beside this one.
    return AdmissionControl(services: services, configuration: configuration, logger: quiet)
  }

  private func with(
    _ work: Work, limit: Int, patience: Duration = .seconds(3_600),
    _ body: (Loopback, AdmissionControl) async throws -> Void
  ) async throws {
    let admission = admission([ProbeService { bytes, _ in bytes }], limit: limit, patience: patience)
    try await Loopback.with(interceptors: [admission], answer: { bytes, _ in await work.run(bytes) }) {
      try await body($0, admission)
    }
  }

  private func running(_ admission: AdmissionControl) -> Int {
    admission.readings.reduce(0) { $0 + $1.running }
  }

  private func waiting(_ admission: AdmissionControl) -> Int {
    admission.readings.reduce(0) { $0 + $1.waiting }
  }

  private func refused(_ admission: AdmissionControl, _ refusal: AdmissionRefusal) -> Int {
    admission.readings.flatMap(\.refused).reduce(0) { $0 + ($1.reason == refusal ? $1.count : 0) }
  }

  @Test("a call beyond the limit waits for a place and gets it")
  func waiting() async throws {
    let work = Work(places: 2)
    try await with(work, limit: 2) { loopback, admission in
      async let first = loopback.call([1])
      async let second = loopback.call([2])
      await work.isFull.wait()
      async let third = loopback.call([3])
      while waiting(admission) == 0 { await Task.yield() }
      #expect(work.begun.count == 2)
      work.go.happen()
      let answers = try await [first, second, third]
      #expect(answers == [[1], [2], [3]])
      #expect(running(admission) == 0)
    }
  }

  @Test("who waits in vain is refused with a pause, in a way that clients try elsewhere")
  func refusal() async throws {
    let work = Work(places: 1)
    try await with(work, limit: 1, patience: .milliseconds(10)) { loopback, admission in
      async let first = loopback.call([1])
      await work.isFull.wait()
      let refusal = try #require(await loopback.failure())
      #expect(refusal.code == .unavailable)
      #expect(refusal.errorInfo?.reason == ErrorCode.serviceUnavailable.rawValue)
      let pause = try #require(refusal.retryInfo?.retryDelay?.kernel)
      #expect(pause >= .milliseconds(50))
      #expect(refusal.pushback == .after(pause))
      #expect(work.begun.count == 1)
      work.go.happen()
      _ = try await first
      #expect(refused(admission, .waitedTooLong) == 1)
    }
  }

  @Test("the queue is bounded, and who finds it full is told at once")
  func fullQueue() async throws {
    let admission = admission([ProbeService { bytes, _ in bytes }], limit: 1)
    var context = CallContext(method: ProbeService.call)
    let isAdmitted = try admission.tryAdmit(&context)
    #expect(isAdmitted)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<Limits.waitingCallsMax {
        group.addTask {
          var context = CallContext(method: ProbeService.call)
          try await admission.admit(&context)
          admission.finished(context, nil)
        }
      }
      while waiting(admission) < Limits.waitingCallsMax { await Task.yield() }
      var last = CallContext(method: ProbeService.call)
      await #expect(throws: RPCError.self) { try await admission.admit(&last) }
      #expect(refused(admission, .queueFull) == 1)
      admission.finished(context, nil)
      try await group.waitForAll()
    }
    #expect(running(admission) == 0)
  }

  @Test("calls that their event loop comes to late are refused, the urgent ones last")
  func loopBehind() throws {
    func method(_ service: String, _ rules: MethodRules) -> MethodDescriptor {
      MethodDescriptor(service: service, name: "Call", rules: rules)
    }
    let methods = [
      method("test.v1.ReadService", MethodRules(roles: ["*"])), method("test.v1.WriteService", .closed),
      method("test.v1.WriteInternalService", .closed), method("grpc.health.v1.Health", .closed),
    ]
    let admission = AdmissionControl(methods: methods, logger: quiet)
    for (milliseconds, refusedCount) in [(0, 0), (49, 0), (50, 1), (100, 2), (199, 2), (200, 3), (60_000, 3)] {
      var refused = 0
      for method in methods {
        var context = CallContext(
          method: method, metadata: [:], remote: ConnectionPeer(address: ""), lag: .milliseconds(milliseconds))
        do { _ = try admission.tryAdmit(&context) } catch { refused += 1 }
      }
      #expect(refused == refusedCount, "\(milliseconds) ms")
    }
    #expect(self.refused(admission, .loopBehind) == 11)
  }

  @Test("who would have to wait is refused when a connection is nearly full, so that its client holds nobody back")
  func connectionFull() async throws {
    let work = Work(places: 2)
    let admission = admission([ProbeService { bytes, _ in bytes }], limit: 2)
    try await Loopback.with(
      limits: { $0.concurrentStreamsMax = 10 }, interceptors: [admission],
      answer: { bytes, _ in await work.run(bytes) }
    ) { loopback in
      let calls = (0..<8).map { number in Task { try await loopback.call([UInt8(number)]) } }
      while waiting(admission) < 6 { await Task.yield() }
      #expect(await loopback.failure()?.code == .unavailable)
      #expect(refused(admission, .connectionFull) == 1)
      work.go.happen()
      for call in calls { _ = try await call.value }
      #expect(running(admission) == 0 && work.begun.count == 8)
    }
  }

  @Test("on a connection that is nearly full calls between services wait all the same, and nobody is refused a place")
  func connectionFullLanes() async throws {
    let urgent = MethodDescriptor(service: "test.v1.WriteInternalService", name: "Call", rules: .closed)
    let normal = MethodDescriptor(service: "test.v1.WriteService", name: "Call", rules: .closed)
    let admission = AdmissionControl(
      methods: [urgent, normal], configuration: AdmissionConfiguration(limitMin: 1, limitMax: 1), logger: quiet)
    func context(_ method: MethodDescriptor) -> CallContext {
      CallContext(
        method: method, metadata: [:], remote: ConnectionPeer(address: ""), isConnectionNearlyFull: true)
    }
    for method in [urgent, normal] {
      var first = context(method)
      #expect(try admission.tryAdmit(&first))
    }
    var second = context(normal)
    #expect(try !admission.tryAdmit(&second))
    await #expect(throws: RPCError.self) { try await admission.admit(&second) }
    let patient = Task {
      var context = context(urgent)
      try await admission.admit(&context)
    }
    while waiting(admission) == 0 { await Task.yield() }
    admission.finished(context(urgent), nil)
    try await patient.value
    #expect(refused(admission, .connectionFull) == 1)
  }

  @Test("streams have a bound of their own")
  func streams() throws {
    let talk = MethodDescriptor(service: "test.v1.Probe", name: "Talk", kind: .bidirectional)
    let admission = AdmissionControl(
      methods: [talk, ProbeService.call],
      configuration: AdmissionConfiguration(limitMin: 1, limitMax: 1, streamsMax: 2), logger: quiet)
    var context = CallContext(method: talk)
    var isAdmitted = (0..<3).map { _ in (try? admission.tryAdmit(&context)) ?? false }
    #expect(isAdmitted == [true, true, false])
    admission.finished(context, nil)
    isAdmitted = [(try? admission.tryAdmit(&context)) ?? false]
    #expect(isAdmitted == [true])
  }

  @Test("a reset stream keeps its place until its handler has ended")
  func reset() async throws {
    let work = Work(places: 2)
    try await with(work, limit: 2, patience: .milliseconds(10)) { loopback, admission in
      let calls = (0..<2).map { number in Task { try await loopback.call([UInt8(number)]) } }
      await work.isFull.wait()
      for call in calls { call.cancel() }
      for call in calls { _ = await call.result }
      // Both callers are gone; their handlers are not.
      #expect(await loopback.failure()?.code == .unavailable)
      #expect(running(admission) == 2)
      #expect(work.begun.count == 2)
      work.go.happen()
      let answer = try await loopback.call([9])
      #expect(answer == [9])
      #expect(running(admission) == 0)
    }
  }

  @Test("a call that goes away while it waits is forgotten")
  func abandonedWait() async throws {
    let work = Work(places: 1)
    try await with(work, limit: 1) { loopback, admission in
      async let first = loopback.call([1])
      await work.isFull.wait()
      let call = Task { try await loopback.call([2]) }
      while waiting(admission) == 0 { await Task.yield() }
      call.cancel()
      _ = await call.result
      while waiting(admission) > 0 { await Task.yield() }
      work.go.happen()
      _ = try await first
      #expect(work.begun.count == 1)
    }
  }

  @Test("a failed call gives its place back as well")
  func failures() async throws {
    let admission = admission([ProbeService { bytes, _ in bytes }], limit: 1)
    try await Loopback.with(
      interceptors: [admission], answer: { _, _ in throw Failure(.forbidden, "not for you") }
    ) { loopback in
      for _ in 0..<5 { #expect(await loopback.failure()?.code == .permissionDenied) }
      #expect(running(admission) == 0)
    }
  }

  @Test("health is answered when nothing else is")
  func health() async throws {
    struct Health: ServiceBinding {
      static let check = MethodDescriptor(service: "grpc.health.v1.Health", name: "Check")
      let serviceName = "grpc.health.v1.Health"
      var methods: [BoundMethod] { [BoundMethod(Health.check, .unary { bytes, _ in bytes })] }
    }
    let admission = admission([Health()], limit: 1)
    var context = CallContext(method: Health.check)
    for _ in 0..<100 {
      let isAdmitted = try admission.tryAdmit(&context)
      #expect(isAdmitted)
    }
    #expect(!admission.readings.contains { $0.group.contains("Health") })
  }

  @Test("a deadline that leaves less time than a call takes is refused at once")
  func deadlines() async throws {
    let admission = admission([ProbeService { bytes, _ in bytes }], limit: 1)
    func context(_ deadline: Deadline?) -> CallContext {
      CallContext(method: ProbeService.call, deadline: deadline)
    }
    var passed = context(.after(.milliseconds(-1)))
    // Nothing is known yet: the call's own timer takes care of it.
    let isAdmitted = try admission.tryAdmit(&passed)
    #expect(isAdmitted)
    var waiting = context(.after(.milliseconds(-1)))
    let isAdmittedToo = try admission.tryAdmit(&waiting)
    #expect(!isAdmittedToo)
    var refusal: RPCError?
    do { try await admission.admit(&waiting) } catch { refusal = error as? RPCError }
    #expect(refusal?.code == .unavailable)
    #expect(refused(admission, .deadlineTooShort) == 1)
    #expect(running(admission) == 1)
  }

  @Test("places are neither lost nor won when many tasks take them at once")
  func concurrency() async throws {
    let admission = admission([ProbeService { bytes, _ in bytes }], limit: 3)
    let begun = Counter()
    let ended = Counter()
    let excess = Counter()
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<8 {
        group.addTask {
          for _ in 0..<500 {
            var context = CallContext(method: ProbeService.call)
            do {
              if try !admission.tryAdmit(&context) { try await admission.admit(&context) }
            } catch {
              continue
            }
            if begun.increment() - ended.count > 3 { excess.increment() }
            await Task.yield()
            ended.increment()
            admission.finished(context, nil)
          }
        }
      }
    }
    #expect(excess.count == 0)
    #expect(running(admission) == 0)
    #expect(waiting(admission) == 0)
    #expect(begun.count > 500)
  }
}
