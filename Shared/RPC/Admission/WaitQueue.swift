internal import Kernel

/// Calls that wait for their turn, first come first served.
///
/// What counts is how long a call waits, not how many wait or since when the queue has been filled: callers that go
/// round in a circle keep it filled for ever, and each of them waits for a moment only. A call is taken in if its turn
/// comes soon enough at the pace at which calls end, and sent away if it did not come in time after all (controlled
/// delay). So under overload the queue is as long as is worth waiting for, and who finds no room is told at once.
struct WaitQueue<Waiter: Sendable>: Sendable {
  private struct Entry: Sendable {
    let number: UInt64
    let since: ContinuousClock.Instant
    /// When it is sent away.
    let until: ContinuousClock.Instant
    var waiter: Waiter?
  }

  /// From `head` on in order of arrival; those that left early are nil.
  private var entries: [Entry] = []
  private var head = 0
  private var numbers: UInt64 = 0
  private(set) var count = 0

  /// When the first is sent away; nil if nobody waits.
  var nextExpiry: ContinuousClock.Instant? { entries[head...].first { $0.waiter != nil }?.until }

  /// How long the first has waited; zero if nobody waits.
  func sojourn(_ now: ContinuousClock.Instant) -> Duration {
    entries[head...].first { $0.waiter != nil }.map { $0.since.duration(to: now) } ?? .zero
  }

  /// How long a call that comes now would wait, at a pace of so long from one call's turn to the next one's.
  func wait(pace: Duration) -> Duration { pace * (count + 1) }

  /// Takes a call in, unless the queue is full or the call would wait for too long. Returns a number by which it can
  /// leave early.
  ///
  /// - Parameters:
  ///   - pace: zero if it is not known.
  ///   - patience: how long the call may have to wait.
  mutating func enter(
    _ waiter: Waiter, pace: Duration, patience: Duration, now: ContinuousClock.Instant
  ) -> UInt64? {
    guard count < Limits.waitingCallsMax, wait(pace: pace) <= patience else { return nil }
    numbers += 1
    entries.append(Entry(number: numbers, since: now, until: now + patience * Patience.slack, waiter: waiter))
    count += 1
    return numbers
  }

  /// A call that goes away. Nil if it is no longer there.
  mutating func leave(_ number: UInt64) -> Waiter? {
    var low = head
    var high = entries.count
    while low < high {
      let middle = (low + high) / 2
      if entries[middle].number < number { low = middle + 1 } else { high = middle }
    }
    guard low < entries.count, entries[low].number == number, let waiter = entries[low].waiter else { return nil }
    entries[low].waiter = nil
    removed()
    return waiter
  }

  /// Whose turn it is. Nil if nobody waits.
  mutating func next() -> Waiter? {
    while count > 0 {
      let waiter = entries[head].waiter
      head += 1
      guard let waiter else { continue }
      removed()
      return waiter
    }
    return nil
  }

  /// Those whose turn has not come in time. Nobody is sent away before those in front: their turns come first.
  mutating func expire(now: ContinuousClock.Instant) -> [Waiter] {
    var expired: [Waiter] = []
    while count > 0, entries[head].waiter == nil || entries[head].until <= now {
      if let waiter = entries[head].waiter {
        expired.append(waiter)
        count -= 1
      }
      head += 1
    }
    if !expired.isEmpty { tidy() }
    return expired
  }

  private mutating func removed() {
    count -= 1
    tidy()
  }

  private mutating func tidy() {
    if count == 0 {
      entries.removeAll(keepingCapacity: true)
      head = 0
    } else if head > 64, head * 2 > entries.count {
      entries.removeFirst(head)
      head = 0
    }
  }
}

/// How long calls wait for their turn.
enum Patience {
  /// Half a second more is borne by whoever waits for an answer; a refusal and another attempt take as long.
  static let min = Duration.milliseconds(500)
  /// For calls that take long themselves.
  static let slowMax = Duration.seconds(2)
  /// Whoever gives a call much time would rather wait for a part of it than be refused: for a tenth.
  static let share = 10
  /// More than this nobody wants to wait, whatever the deadline says.
  static let max = Duration.seconds(5)
  /// The pace is an estimate, and a calibration holds calls up for a moment: whoever was taken in may wait for so many
  /// times longer before it is sent away.
  static let slack = 1.5

  /// How long a call may have to wait.
  ///
  /// - Parameters:
  ///   - expected: how long it takes itself.
  ///   - remaining: the time to its deadline; nil without one.
  static func of(_ expected: Duration, remaining: Duration? = nil, min: Duration = Patience.min) -> Duration {
    let own = Swift.max(Swift.min(expected * 2, slowMax), min)
    return remaining.map { Swift.max(own, Swift.min($0 / share, max)) } ?? own
  }
}

extension Limits {
  /// Calls of one group of methods that wait for their turn, whatever the pace: each holds its request.
  static let waitingCallsMax = 1_024
}
