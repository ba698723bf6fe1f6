import Kernel
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import HTTP2
@testable import RPC
@testable import Transport

/// Channels with several addresses, and what a service config makes of calls.
@Suite("Channels and policies", .timeLimit(.minutes(1)))
struct ChannelPolicyTests {
  @Test("pick_first sends everything to one replica, and to the next one when that has gone")
  func pickFirst() async throws {
    // A machine that is busy must not look like a replica that is slow to answer, for which the next one is tried.
    try await Replicas.with(2, channel: { $0.connectionAttemptDelay = .seconds(30) }) { channel, replicas in
      for _ in 0..<10 {
        let answer = try await channel.replica()
        #expect(answer == 0)
      }
      await replicas.servers[0].shutdownGracefully(within: .zero)
      for _ in 0..<10 {
        let answer = try await channel.replica()
        #expect(answer == 1)
      }
    }
  }

  @Test("round_robin sends every replica its share, and the rest theirs when one has gone")
  func roundRobin() async throws {
    try await Replicas.with(3, channel: { $0.loadBalancing = .roundRobin }) { channel, replicas in
      var seen: Set<Int> = []
      // The first to be ready gets everything until the others are.
      for _ in 0..<10_000 where seen.count < 3 { seen.insert(try await channel.replica()) }
      #expect(seen.count == 3)
      var counts = [0, 0, 0]
      for _ in 0..<30 { counts[try await channel.replica()] += 1 }
      #expect(counts == [10, 10, 10])
      await replicas.servers[1].shutdownGracefully(within: .zero)
      var after = [0, 0, 0]
      for _ in 0..<30 { after[try await channel.replica()] += 1 }
      #expect(after[1] == 0)
      #expect(after[0] > 0 && after[2] > 0)
    }
  }

  @Test("least_request keeps away from a replica that is busy")
  func leastRequest() async throws {
    let (busy, release) = (Event(), Event())
    try await Replicas.with(
      2, channel: { $0.loadBalancing = LoadBalancing(.leastRequest(choices: 10)) },
      answer: { replica, bytes, _ in
        if bytes == [1] {
          busy.happen()
          await release.wait()
        }
        return [UInt8(replica)]
      }
    ) { channel, _ in
      var seen: Set<Int> = []
      for _ in 0..<10_000 where seen.count < 2 { seen.insert(try await channel.replica()) }
      async let slow = channel.unary(ProbeService.call, [1])
      await busy.wait()
      var counts = [0, 0]
      for _ in 0..<20 { counts[try await channel.replica()] += 1 }
      release.happen()
      // A choice of ten falls on the busy one alone once in a thousand times.
      let idle = counts[0] > counts[1] ? 0 : 1
      #expect(counts[idle] >= 18)
      let answer = try await Int(slow.first ?? 255)
      #expect(answer != idle)
    }
  }

  @Test("an address that fails more than the others is ejected")
  func ejection() async throws {
    let rules = OutlierDetection(
      interval: .milliseconds(50), maxEjectionPercent: 50,
      failurePercentage: .init(thresholdPercent: 50, hostsMin: 2, callsMin: 1))
    try await Replicas.with(
      2, channel: { $0.loadBalancing = LoadBalancing(.roundRobin, outlierDetection: rules) },
      answer: { replica, _, _ in
        if replica == 1 { throw RPCError(.internal, "broken") }
        return [0]
      }
    ) { channel, _ in
      // Ejected when as many good answers came in a row as a turn between two replicas cannot bring.
      var goodInRow = 0
      for _ in 0..<100_000 where goodInRow < 10 {
        do {
          _ = try await channel.replica(CallOptions(retry: .none))
          goodInRow += 1
        } catch {
          goodInRow = 0
        }
      }
      #expect(goodInRow == 10)
    }
  }

  // Goal: zero failed calls while every replica is replaced. Method: no retries but transparent ones, so that every
  // lost call shows.
  @Test("a rolling restart under load costs no call")
  func rollingRestart() async throws {
    try await Replicas.with(2, channel: { $0.loadBalancing = .roundRobin }) { channel, replicas in
      let (answered, isOver) = (Progress(), Event())
      try await withThrowingTaskGroup { group in
        for _ in 0..<4 {
          group.addTask {
            while !isOver.hasHappened {
              _ = try await channel.replica(CallOptions(attemptDeadline: nil, retry: .none, waitsForReady: true))
              answered.advance()
            }
          }
        }
        var running = replicas.servers
        for replica in [0, 1, 0, 1] {
          await answered.more(20)
          await running[replica].shutdownGracefully(within: .seconds(30))
          running[replica] = try await Replicas.start(replica, port: replicas.ports[replica])
        }
        isOver.happen()
        try await group.waitForAll()
        for server in running { await server.shutdownGracefully(within: .zero) }
      }
    }
  }

  @Test("a channel on all event loops keeps each call on the loop it comes from")
  func allEventLoops() async throws {
    try await Replicas.with(1, channel: { $0.usesAllEventLoops = true }) { channel, replicas in
      for loop in MultiThreadedEventLoopGroup.singleton.makeIterator() {
        let answer = try await Task(executorPreference: LoopExecutor(loop)) { try await channel.replica() }.value
        #expect(answer == 0)
      }
      let answer = try await channel.replica()
      #expect(answer == 0)
    }
  }

  @Test("the states of a channel can be watched")
  func states() async throws {
    try await Replicas.with(1) { channel, replicas in
      #expect(channel.state == .idle)
      channel.connect()
      await channel.reaches(.ready)
      let answer = try await channel.replica()
      #expect(answer == 0)
      await replicas.servers[0].shutdownGracefully(within: .zero)
      await channel.reaches(.idle)
      channel.connect()
      await channel.reaches(.transientFailure)
      await channel.close(within: .zero)
      #expect(channel.state == .shutdown)
      var all: [ConnectivityState] = []
      for await state in channel.states() { all.append(state) }
      #expect(all == [.shutdown])
    }
  }

  @Test("a channel without calls goes back to idle and comes back with the next call")
  func idleness() async throws {
    try await Replicas.with(1, channel: { $0.idleTimeout = .milliseconds(20) }) { channel, _ in
      for _ in 0..<2 {
        let answer = try await channel.replica()
        #expect(answer == 0)
        await channel.reaches(.idle)
      }
    }
  }

  @Test("without prompt backoff a call fails at once while the pause lasts")
  func standardBackoff() async throws {
    var dead = 0
    try await Replicas.with(1) { _, replicas in dead = replicas.ports[0] }
    let channel = RPCChannel(target: "127.0.0.1:\(dead)", logger: quiet)
    for _ in 0..<3 {
      let error = await #expect(throws: RPCError.self) { try await channel.replica(CallOptions(retry: .none)) }
      #expect(error?.code == .unavailable)
      #expect(channel.state == .transientFailure)
    }
    await channel.close()
  }

  @Test("names that change bring new replicas, and a name that is unknown fails calls that do not wait")
  func names() async throws {
    try await Replicas.with(2) { _, replicas in
      let known = Mutex(false)
      let resolver = NameResolver { host in
        guard known.withLock({ $0 }) else { throw NameFailure(host: host, reason: "unknown") }
        return ["127.0.0.1"]
      }
      var configuration = RPCChannelConfiguration()
      configuration.backoff = ConnectionBackoff(
        initial: .milliseconds(5), multiplier: 1, max: .milliseconds(5), jitter: 0)
      let channel = RPCChannel(
        target: "dns:///service.test:\(replicas.ports[1])", configuration: configuration, resolver: resolver,
        logger: quiet)
      let error = await #expect(throws: RPCError.self) { try await channel.replica(CallOptions(retry: .none)) }
      #expect(error?.code == .unavailable)
      #expect(error?.message.contains("service.test") == true)
      async let patient = channel.replica(CallOptions(attemptDeadline: nil, waitsForReady: true))
      known.withLock { $0 = true }
      let answer = try await patient
      #expect(answer == 1)
      await channel.close()
    }
  }

  // MARK: Room

  @Test("a second connection takes what the first has no streams for")
  func secondConnection() async throws {
    let (both, release) = (Event(), Event())
    let handled = Counter()
    try await Loopback.with(
      limits: { $0.concurrentStreamsMax = 1 },
      channel: {
        var configuration = RPCChannelConfiguration()
        configuration.connectionsPerAddressMax = 2
        return configuration
      }(),
      answer: { bytes, _ in
        if handled.increment() == 2 { both.happen() }
        await release.wait()
        return bytes
      }
    ) { loopback in
      async let first = loopback.call([1])
      async let second = loopback.call([2])
      await both.wait()  // With one connection the second call would wait for the first.
      release.happen()
      let answers = try await [first, second]
      #expect(answers == [[1], [2]])
    }
  }

  @Test("calls beyond the queue's bound are refused", arguments: [2, 3])
  func queueBound(calls: Int) async throws {
    let (busy, release) = (Event(), Event())
    try await Loopback.with(
      limits: { $0.concurrentStreamsMax = 1 },
      channel: {
        var configuration = RPCChannelConfiguration()
        configuration.queuedCallsMax = 2
        return configuration
      }(),
      answer: { bytes, _ in
        if bytes == [9] {
          busy.happen()
          await release.wait()
        }
        return bytes
      }
    ) { loopback in
      async let first = loopback.call([9], options: CallOptions(retry: .none))
      await busy.wait()
      let refused = await withTaskGroup(of: Bool.self) { group in
        for _ in 0..<calls {
          group.addTask { await loopback.failure()?.message.contains("wait already") == true }
        }
        if calls == 3 {  // One of three is refused while the others wait.
          #expect(await group.next() == true)
        }
        release.happen()
        return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
      }
      #expect(refused == 0)
      let answer = try await first
      #expect(answer == [9])
    }
  }

  // MARK: Service config

  private func config(_ json: String) throws -> (inout RPCChannelConfiguration) -> Void {
    let config = try ServiceConfig(json: json)
    return { $0.serviceConfig = config }
  }

  @Test("a method's entry sets time-out, limits and waiting")
  func methodConfig() async throws {
    let text = #"""
      {"methodConfig": [{"name": [{"service": "test.v1.Probe"}], "timeout": "3600s", "maxRequestMessageBytes": 10,
       "maxResponseMessageBytes": 20}]}
      """#
    try await Replicas.with(
      1, channel: try config(text),
      answer: { _, bytes, context in
        let remaining = try #require(context.deadline).remaining
        #expect(remaining > .seconds(3_500) && remaining <= .seconds(3_600))
        return bytes + bytes + (bytes.count == 10 ? [] : [0, 0, 0])
      }
    ) { channel, _ in
      let ten = [UInt8](repeating: 1, count: 10)
      let answer = try await channel.unary(ProbeService.call, ten).count
      #expect(answer == 20)
      for size in [9, 11] {
        let error = await #expect(throws: RPCError.self) {
          try await channel.unary(ProbeService.call, [UInt8](repeating: 1, count: size))
        }
        #expect(error?.code == .resourceExhausted)
      }
    }
  }

  @Test("a retry policy of the service config takes the place of the standard one, but not of the caller's")
  func retryPolicy() async throws {
    let text = #"""
      {"methodConfig": [{"name": [{"service": "test.v1.Probe"}], "retryPolicy": {"maxAttempts": 4,
       "initialBackoff": "0.001s", "maxBackoff": "0.001s", "backoffMultiplier": 1,
       "retryableStatusCodes": ["ABORTED"]}}]}
      """#
    let attempts = Counter()
    try await Replicas.with(
      1, channel: try config(text),
      answer: { _, _, _ in
        attempts.increment()
        throw RPCError(.aborted, "again")
      }
    ) { channel, _ in
      await #expect(throws: RPCError.self) { try await channel.replica() }
      #expect(attempts.count == 4)
      await #expect(throws: RPCError.self) { try await channel.replica(CallOptions(retry: .none)) }
      #expect(attempts.count == 5)
    }
  }

  @Test("a channel whose calls fail stops trying again, until some have succeeded")
  func throttling() async throws {
    let attempts = Counter()
    let quick = CallOptions(retry: RetryPolicy(attemptsMax: 3, pause: .zero))
    try await Replicas.with(
      1, channel: { $0.retryThrottling = RetryThrottling(tokensMax: 4, successMillitokens: 1_000) },
      answer: { _, bytes, _ in
        attempts.increment()
        if bytes == [1] { throw RPCError(.unavailable, "not now") }
        return []
      }
    ) { channel, _ in
      await #expect(throws: RPCError.self) { try await channel.unary(ProbeService.call, [1], options: quick) }
      #expect(attempts.count == 2)  // Two of four tokens are gone: no third attempt.
      await #expect(throws: RPCError.self) { try await channel.unary(ProbeService.call, [1], options: quick) }
      #expect(attempts.count == 3)
      for _ in 0..<3 { _ = try await channel.unary(ProbeService.call, [0], options: quick) }
      await #expect(throws: RPCError.self) { try await channel.unary(ProbeService.call, [1], options: quick) }
      #expect(attempts.count == 8)
    }
  }

  // MARK: Hedging

  @Test("a hedged read is answered by whoever is quick, and the slow one is cancelled")
  func hedging() async throws {
    let slowWasCancelled = Event()
    let numbers = Mutex<[String?]>([])
    let options = CallOptions(hedging: HedgingPolicy(attemptsMax: 2, delay: .milliseconds(1)))
    try await Replicas.with(
      1,
      answer: { _, _, context in
        let isFirst = numbers.withLock { numbers in
          numbers.append(context.metadataForTest("grpc-previous-rpc-attempts"))
          return numbers.count == 1
        }
        return isFirst ? try await untilCancelled(began: Event(), cancelled: slowWasCancelled) : [7]
      }
    ) { channel, _ in
      let answer = try await channel.unary(ProbeService.call, [], options: options)
      #expect(answer == [7])
      await slowWasCancelled.wait()
      #expect(numbers.withLock { $0 } == [nil, "1"])
    }
  }

  @Test("a failure that is not fatal starts the next hedge at once; a method that changes something has none")
  func hedgingAfterFailure() async throws {
    let attempts = Counter()
    let options = CallOptions(
      retry: .none, hedging: HedgingPolicy(attemptsMax: 2, delay: .seconds(3_600), nonFatalCodes: [.unavailable]))
    try await Replicas.with(
      1,
      answer: { _, _, _ in
        if attempts.increment() == 2 { return [1] }
        throw RPCError(.unavailable, "not now")
      }
    ) { channel, _ in
      let answer = try await channel.replica(options)
      #expect(answer == 1)
      #expect(attempts.count == 2)
      await #expect(throws: RPCError.self) { try await channel.unary(mutatingCall, [], options: options) }
      #expect(attempts.count == 3)
    }
  }
}

extension CallContext {
  /// Reserved metadata is invisible to handlers; a test may look.
  func metadataForTest(_ name: String) -> String? { metadata.fields.first(name) }
}
