import Messages
import RPC
import Stubs
import Synchronization

/// Calls that start at a steady rate until they are stopped.
final class Load: Sendable {
  private let channel: RPCChannel
  private let method: MethodDescriptor
  private let rate: Int
  private let duration: Duration?
  private let message: [UInt8]
  private let options: CallOptions
  private let outstandingMax: Int
  private let state = Mutex(Tally())
  private let stopped = Atomic(false)

  /// `duration` nil: until `stop`.
  init(
    channel: RPCChannel, method: MethodDescriptor, rate: Int, duration: Duration?, bytes: Int, options: CallOptions,
    outstandingMax: Int
  ) throws {
    self.channel = channel
    self.method = method
    self.rate = rate
    self.duration = duration
    self.options = options
    self.outstandingMax = outstandingMax
    message = try BenchV1.Payload(data: [UInt8](repeating: 0x78, count: bytes)).serialized()
  }

  var tally: Tally { state.withLock { $0 } }

  /// Starts no further call; `run` returns when those under way have ended.
  func stop() { stopped.store(true, ordering: .relaxed) }

  /// Returns when every call has ended. `report` gets the counts, once a second.
  func run(_ report: (String) -> Void) async {
    let clock = ContinuousClock()
    let start = clock.now
    await withDiscardingTaskGroup { group in
      var started = 0
      var reported = 0
      while !stopped.load(ordering: .relaxed) {
        let elapsed = start.duration(to: clock.now)
        if let duration, elapsed >= duration { break }
        let due = Int(elapsed / .seconds(1) * Double(rate))
        while started < due {
          let dueAt = start + .seconds(1) * (Double(started) / Double(rate))
          started += 1
          if state.withLock({ $0.begin(unlessBeyond: outstandingMax) }) {
            group.addTask { await self.call(dueAt: dueAt, clock) }
          }
        }
        if elapsed >= .seconds(reported + 1) {
          reported += 1
          report(tally.json(latencies: false))
        }
        // The tasks of the group are never cancelled, so the pause is never cut short.
        try? await Task.sleep(for: Load.pause, clock: clock)
      }
    }
  }

  /// Counts from when the call was due, not from when it could start: a queue in this process is latency too.
  private func call(dueAt: ContinuousClock.Instant, _ clock: ContinuousClock) async {
    let failure: String?
    do {
      let answer = try await channel.unary(method, message, options: options)
      failure = answer == message ? nil : "the answer differs from the request"
    } catch {
      failure = "\(error)"
    }
    let latency = dueAt.duration(to: clock.now)
    state.withLock { $0.end(failure, latency) }
  }

  /// Several calls start at once at high rates; a shorter pause would cost more than it smooths.
  private static let pause = Duration.milliseconds(1)
}
