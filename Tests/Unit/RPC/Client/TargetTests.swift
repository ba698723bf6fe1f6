import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import RPC

@Suite("Targets and names")
struct TargetTests {
  @Test(
    "a target is one address or a list",
    arguments: [
      ("a:1", ["a:1"]), ("dns:a:1", ["a:1"]), ("dns:///a.example:65535", ["a.example:65535"]),
      ("a:1,b:2", ["a:1", "b:2"]), ("static:a:1, b:2", ["a:1", "b:2"]), ("[::1]:80", ["[::1]:80"]),
      ("ipv4:127.0.0.1:1,127.0.0.2:2", ["127.0.0.1:1", "127.0.0.2:2"]), ("ipv6:[::1]:1", ["[::1]:1"]),
      ("a:1,a:1", ["a:1"]),
    ] as [(String, [String])])
  func read(text: String, addresses: [String]) {
    #expect(RPCTarget(text)?.addresses.map(\.description) == addresses)
  }

  @Test(
    "anything else is no target",
    arguments: [
      "", "a", "a:", ":1", "a:0", "a:65536", "a:x", "a:1,", "::1:80", "[::1]", "dns:///", "dns://server/a:1", "a/b:1",
      "ipv4:a:1", "ipv4:[::1]:1", "ipv6:127.0.0.1:1", "unix:/tmp/x",
    ])
  func refused(text: String) {
    #expect(RPCTarget(text) == nil)
  }

  @Test("names become all their addresses, in the target's order and each once; numbers are not looked up")
  func resolution() async throws {
    let resolver = NameResolver { host in
      switch host {
      case "a": ["192.0.2.1", "2001:db8::1"]
      case "b": ["192.0.2.1", "192.0.2.2"]
      default: throw NameFailure(host: host, reason: "unknown")
      }
    }
    let target = try #require(RPCTarget("a:1,gone:1,b:1,192.0.2.9:9"))
    let endpoints = try await resolver.endpoints(of: target)
    #expect(
      endpoints.map(\.address.description) == ["192.0.2.1:1", "[2001:db8::1]:1", "192.0.2.2:1", "192.0.2.9:9"])
    #expect(endpoints.map(\.name.description) == ["a:1", "a:1", "b:1", "192.0.2.9:9"])
    await #expect(throws: NameFailure.self) { try await resolver.endpoints(of: try #require(RPCTarget("gone:1"))) }
  }

  @Test("the system knows this machine's own name, and none that cannot be")
  func system() async throws {
    let own = try await NameResolver.system.addresses("localhost")
    #expect(own.contains("127.0.0.1") || own.contains("::1"))
    await #expect(throws: NameFailure.self) { try await NameResolver.system.addresses("no-such-name.invalid") }
  }

  @Test("names are looked up when wanted, but not again too soon")
  func schedule() {
    let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
    var schedule = ResolutionSchedule(interval: .seconds(30), backoff: .standard)
    #expect(schedule.wanted(now: start) == start)
    schedule.began(now: start)
    #expect(schedule.wanted(now: start) == nil)
    schedule.succeeded(now: start)
    #expect(schedule.wanted(now: start + .seconds(10)) == start + .seconds(30))
    #expect(schedule.wanted(now: start + .seconds(40)) == start + .seconds(40))
  }

  @Test("a failed look-up is repeated after growing pauses, or as soon as prompt calls may ask")
  func failedSchedule() {
    let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
    for (backoff, prompt) in [(ConnectionBackoff.standard, nil), (.prompt, start + .milliseconds(50))] {
      var schedule = ResolutionSchedule(interval: .seconds(30), backoff: backoff)
      schedule.began(now: start)
      #expect(schedule.failed(now: start, spread: 0) == start + .seconds(1))
      #expect(schedule.wanted(now: start) == nil)
      #expect(schedule.wanted(now: start, isPrompt: true) == prompt)
      schedule.began(now: start)
      #expect(schedule.failed(now: start, spread: 0) == start + .milliseconds(1_600))
      schedule.began(now: start)
      schedule.succeeded(now: start)
      #expect(schedule.wanted(now: start) == start + .seconds(30))
    }
  }
}

@Suite("Queues")
struct QueueTests {
  @Test("a queue gives back what it was given, in order, however it is used")
  func fifo() {
    var queue = FIFO<Int>()
    var (next, expected) = (0, 0)
    for round in 0..<200 {
      for _ in 0..<(round % 7) * 10 {
        queue.append(next)
        next += 1
      }
      for _ in 0..<(round % 5) * 14 {
        guard let element = queue.popFirst() else { break }
        #expect(element == expected)
        expected += 1
      }
      #expect(queue.count == next - expected)
      #expect(queue[0] == (queue.isEmpty ? nil : expected))
      #expect(queue[queue.count] == nil)
    }
    #expect(queue.removeAll() == Array(expected..<next))
    #expect(queue.isEmpty)
  }

  private func attempt(_ core: RPC.ChannelCore, bytes: Int = 0) async -> ClientAttempt {
    let settings = CallSettings(
      deadline: nil, attemptDeadline: nil, waitsForReady: true, attempts: .retry(.none), encoding: nil,
      messageBytesMax: 1 << 20, sentMessageBytesMax: 1 << 20)
    let call = ClientCall(ClientCallHead(method: ProbeService.call), settings, core)
    if bytes > 0 { call.write([UInt8](repeating: 0, count: bytes), StreamWaiter<Void>()) }
    return ClientAttempt(call, number: 1, deadline: nil)
  }

  @Test("the queue of calls is bounded in calls and in bytes, and forgets those that are over")
  func bounds() async throws {
    let core = RPC.ChannelCore(
      target: try #require(RPCTarget("127.0.0.1:1")), configuration: RPCChannelConfiguration(),
      eventLoop: MultiThreadedEventLoopGroup.singleton.next(), resolver: .system, record: nil, logger: quiet)
    var queue = CallQueue(callsMax: 3, bytesMax: 100)
    let (first, second) = (await attempt(core, bytes: 60), await attempt(core, bytes: 40))
    #expect(queue.append(first) == nil)
    #expect(queue.append(second) == nil)
    #expect(queue.bytes == 100)
    let third = await attempt(core, bytes: 1)
    #expect(queue.append(third) != nil)
    queue.left(first)
    #expect(queue.append(third) == nil)
    #expect(queue.first === second)
    let small = [await attempt(core), await attempt(core)]
    #expect(queue.append(small[0]) == nil)
    #expect(queue.append(small[1]) != nil)
    #expect(queue.removeAll { $0 === second || $0 === third }.count == 2)
    #expect(queue.count == 1)
    #expect(queue.bytes == 0)
    #expect(queue.first === small[0])
  }
}
