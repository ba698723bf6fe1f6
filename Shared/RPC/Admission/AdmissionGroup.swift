internal import Kernel
internal import Synchronization

/// The calls of one group of methods: those that run and those that wait.
///
/// A call that need not wait costs one atomic addition when it comes and one when it goes.
final class AdmissionGroup: Sendable {
  /// How a wait ended.
  enum Turn: Sendable {
    case admitted
    case refused(AdmissionRefusal)
    /// The task was cancelled: the caller went away or its deadline passed.
    case cancelled
  }

  /// What is known of a call that need not wait.
  struct Entry: Sendable {
    /// How many such calls its sample stands for; zero if it is none.
    let weight: Int
    /// How many calls ran when it was admitted, itself included.
    let crowd: Int
  }

  /// A call that waits.
  struct Waiter: Sendable {
    let deadline: Deadline?
    let continuation: CheckedContinuation<Turn, Never>
  }

  /// By which a waiting call leaves early. Its contents are changed under the queue's lock only.
  final class Ticket: Sendable {
    fileprivate let number = Atomic<UInt64>(0)
    fileprivate let isCancelled = Atomic(false)
  }

  private struct Waiting: Sendable {
    var queue = WaitQueue<Waiter>()
    /// A task looks after those that wait for too long.
    var isWatched = false
  }

  /// Calls to resume once the lock is released.
  private typealias Resumptions = [(waiter: Waiter, turn: Turn)]

  let name: String
  let lane: AdmissionLane
  /// Its place in the regulator; nil if its limit is fixed, because its calls are streams, which last as they please.
  let place: Int?

  /// Calls admitted so far in the upper half, calls running in the lower.
  private let calls = Atomic<UInt64>(0)
  /// How many may run.
  private let limit: Atomic<Int>
  /// How many may run before a call has to look closer: the limit, or zero while others wait.
  private let gate: Atomic<Int>
  private let waitingCount = Atomic(0)
  private let waiting = Mutex(Waiting())
  private let refusals: [Counter] = AdmissionRefusal.allCases.map { _ in Counter() }
  /// One of this many calls, a power of two, is looked at when it ends.
  private let sampling = Atomic<UInt64>(1)
  /// Nanoseconds that a call takes; zero before anything is known.
  private let expectedLatency = Atomic<Int64>(0)
  /// How many may run when they are not held back for a measurement.
  private let fullLimit: Atomic<Int>
  private let patienceMin: Duration

  private final class Counter: Sendable {
    let value = Atomic<Int>(0)
  }

  private static let one: UInt64 = 1 << 32 | 1
  private static let runningMask: UInt64 = 0xFFFF_FFFF

  init(name: String, lane: AdmissionLane, place: Int?, limit: Int, patienceMin: Duration) {
    self.patienceMin = patienceMin
    self.name = name
    self.lane = lane
    self.place = place
    self.limit = Atomic(limit)
    gate = Atomic(limit)
    fullLimit = Atomic(limit)
  }

  // MARK: Passing without a wait

  /// Takes a place for a call if that is easily had; nil if the call may have to wait.
  func enter() -> Entry? {
    let (old, _) = calls.wrappingAdd(AdmissionGroup.one, ordering: .acquiringAndReleasing)
    guard Int(old & AdmissionGroup.runningMask) < gate.load(ordering: .relaxed) else {
      // Whoever missed this place meanwhile looks again under the lock, as this call is about to do.
      calls.wrappingSubtract(AdmissionGroup.one, ordering: .sequentiallyConsistent)
      return nil
    }
    let share = sampling.load(ordering: .relaxed)
    return Entry(
      weight: (old >> 32) & (share - 1) == 0 ? Int(share) : 0, crowd: Int(old & AdmissionGroup.runningMask) + 1)
  }

  /// Gives a place back. Returns how many calls ran, this one included.
  func leave() -> Int {
    let (old, _) = calls.wrappingSubtract(1, ordering: .sequentiallyConsistent)
    if waitingCount.load(ordering: .sequentiallyConsistent) > 0 { admitWaiting() }
    return Int(old & AdmissionGroup.runningMask)
  }

  /// How long a call takes now; zero if nothing is known.
  var expected: Duration { .nanoseconds(expectedLatency.load(ordering: .relaxed)) }

  /// From one call's turn to the next one's (Little's law); zero if nothing is known.
  private var pace: Duration { expected / max(fullLimit.load(ordering: .relaxed), 1) }

  // MARK: Waiting

  /// Waits for a turn. `admitted` comes with a place, which `leave` gives back.
  ///
  /// - Parameter mayWait: false for a call that is refused unless its turn is now.
  func wait(deadline: Deadline?, mayWait: Bool) async -> Turn {
    let ticket = Ticket()
    return await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        queue(Waiter(deadline: deadline, continuation: continuation), ticket, mayWait)
      }
    } onCancel: {
      cancel(ticket)
    }
  }

  private func queue(_ waiter: Waiter, _ ticket: Ticket, _ mayWait: Bool) {
    let now = ContinuousClock.now
    let (expected, pace) = (expected, pace)
    let patience = Patience.of(
      expected, remaining: waiter.deadline.map { now.duration(to: $0.instant) }, min: patienceMin)
    let (turn, resumptions, needsWatch) = waiting.withLock { state in
      var resumptions = advance(&state, expected, now)
      var turn: Turn?
      var needsWatch = false
      if ticket.isCancelled.load(ordering: .relaxed) {
        turn = .cancelled
      } else if state.queue.count == 0, takePlace() {
        turn = .admitted
      } else if let deadline = waiter.deadline, deadline.instant < now + state.queue.wait(pace: pace) + expected {
        turn = .refused(.deadlineTooShort)
      } else if !mayWait {
        turn = .refused(.connectionFull)
      } else if let number = state.queue.enter(waiter, pace: pace, patience: patience, now: now) {
        ticket.number.store(number, ordering: .relaxed)
        needsWatch = !state.isWatched
        state.isWatched = true
        publish(state)
        // A place that was given back before the queue was seen to be filled would be missed by both sides.
        resumptions += advance(&state, expected, now)
      } else {
        turn = .refused(.queueFull)
      }
      publish(state)
      return (turn, resumptions, needsWatch)
    }
    if let turn { resume([(waiter, turn)]) }
    resume(resumptions)
    if needsWatch { watch() }
  }

  private func cancel(_ ticket: Ticket) {
    let waiter = waiting.withLock { state in
      ticket.isCancelled.store(true, ordering: .relaxed)
      defer { publish(state) }
      return state.queue.leave(ticket.number.load(ordering: .relaxed))
    }
    waiter?.continuation.resume(returning: .cancelled)
  }

  /// Lets those in who can be, and refuses those that have waited for too long.
  private func admitWaiting() {
    let now = ContinuousClock.now
    let resumptions = waiting.withLock { state in
      defer { publish(state) }
      return advance(&state, expected, now)
    }
    resume(resumptions)
  }

  private func advance(
    _ state: inout Waiting, _ expected: Duration, _ now: ContinuousClock.Instant
  ) -> Resumptions {
    var resumptions: Resumptions = state.queue.expire(now: now).map { ($0, .refused(.waitedTooLong)) }
    while state.queue.count > 0, takePlace() {
      guard let waiter = state.queue.next() else {
        calls.wrappingSubtract(AdmissionGroup.one, ordering: .relaxed)
        break
      }
      if let deadline = waiter.deadline, deadline.instant < now + expected {
        calls.wrappingSubtract(AdmissionGroup.one, ordering: .relaxed)
        resumptions.append((waiter, .refused(.deadlineTooShort)))
      } else {
        resumptions.append((waiter, .admitted))
      }
    }
    return resumptions
  }

  /// Takes a place if one is free. Under the lock, where nobody can overtake.
  private func takePlace() -> Bool {
    let (old, _) = calls.wrappingAdd(AdmissionGroup.one, ordering: .sequentiallyConsistent)
    if Int(old & AdmissionGroup.runningMask) < limit.load(ordering: .relaxed) { return true }
    calls.wrappingSubtract(AdmissionGroup.one, ordering: .sequentiallyConsistent)
    return false
  }

  /// Tells the calls outside the lock what is so. Only under the lock.
  private func publish(_ state: borrowing Waiting) {
    let count = state.queue.count
    waitingCount.store(count, ordering: .sequentiallyConsistent)
    gate.store(count == 0 ? limit.load(ordering: .relaxed) : 0, ordering: .sequentiallyConsistent)
  }

  private func resume(_ resumptions: Resumptions) {
    for (waiter, turn) in resumptions { waiter.continuation.resume(returning: turn) }
  }

  /// Refuses those that wait for too long even if no other call comes or goes. Ends with the queue.
  private func watch() {
    Task.detached { [self] in
      while let pause = pauseOfWatch() {
        try await Task.sleep(for: pause)
        admitWaiting()
      }
    }
  }

  private func pauseOfWatch() -> Duration? {
    let now = ContinuousClock.now
    return waiting.withLock { state in
      guard let expiry = state.queue.nextExpiry else {
        state.isWatched = false
        return nil
      }
      return max(now.duration(to: expiry), AdmissionGroup.watchPauseMin)
    }
  }

  // MARK: What is learned and told

  /// Takes over what the regulator has found out.
  ///
  /// - Parameters:
  ///   - newLimit: how many calls may run now.
  ///   - full: how many may when nothing is being measured.
  func learn(limit newLimit: Int, full: Int, latency: Duration?, throughput: Double) {
    fullLimit.store(full, ordering: .relaxed)
    if let latency { expectedLatency.store(latency.wholeNanoseconds, ordering: .relaxed) }
    var share: UInt64 = 1
    while Double(share) * AdmissionGroup.samplesPerSecond < throughput { share *= 2 }
    sampling.store(share, ordering: .relaxed)
    guard limit.load(ordering: .relaxed) != newLimit else { return }
    limit.store(newLimit, ordering: .relaxed)
    admitWaiting()
  }

  /// Counts a refusal and tells after which pause another attempt makes sense.
  func refused(_ refusal: AdmissionRefusal) -> Duration {
    refusals[refusal.rawValue].value.wrappingAdd(1, ordering: .relaxed)
    let latency = expectedLatency.load(ordering: .relaxed)
    if refusal == .deadlineTooShort {
      // What is known grows old while nobody is let through to find out better.
      expectedLatency.store(latency - latency / 32, ordering: .relaxed)
    }
    // Those that wait already come first.
    let sojourn = waiting.withLock { $0.queue.sojourn(.now) }
    return max(.nanoseconds(latency), sojourn, AdmissionGroup.pauseMin)
  }

  var reading: AdmissionReading {
    AdmissionReading(
      group: name, lane: lane, limit: limit.load(ordering: .relaxed),
      running: Int(calls.load(ordering: .relaxed) & AdmissionGroup.runningMask),
      waiting: waitingCount.load(ordering: .relaxed),
      refused: zip(AdmissionRefusal.allCases, refusals).map { ($0, $1.value.load(ordering: .relaxed)) })
  }

  /// Enough for a window of a tenth of a second to settle, and little work.
  private static let samplesPerSecond = 2_000.0
  private static let pauseMin = Duration.milliseconds(50)
  private static let watchPauseMin = Duration.milliseconds(10)
}

extension Duration {
  /// Saturating; never negative.
  fileprivate var wholeNanoseconds: Int64 {
    let (seconds, attoseconds) = components
    guard seconds < 1 << 32 else { return .max }
    return max(0, seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
  }
}
