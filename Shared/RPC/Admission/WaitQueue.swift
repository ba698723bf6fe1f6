internal import Kernel

/// Calls that wait for their turn, briefly.
///
/// While there is now and then nobody waiting, the first comes first and may wait for a while: the queue evens out a
/// burst. When it has not been empty for some time it only adds its length to everybody's latency; then there is less
/// room, the last comes first, and whoever does not get a turn soon is refused, so that the calls that are answered
/// are answered quickly (controlled delay, adaptive LIFO).
struct WaitQueue<Waiter: Sendable>: Sendable {
  private struct Entry: Sendable {
    let number: UInt64
    let since: ContinuousClock.Instant
    var waiter: Waiter?
  }

  /// From `head` on in order of arrival; those that left early are nil.
  private var entries: [Entry] = []
  private var head = 0
  private var numbers: UInt64 = 0
  private(set) var count = 0
  private var filledSince: ContinuousClock.Instant?

  /// For how long the queue has not been empty.
  func age(_ now: ContinuousClock.Instant) -> Duration { filledSince.map { $0.duration(to: now) } ?? .zero }

  /// - Parameter expected: how long a call of the group takes.
  func isOverloaded(_ now: ContinuousClock.Instant, expected: Duration) -> Bool {
    age(now) >= max(Patience.burst, expected)
  }

  /// Takes a call in, unless the queue is full. Returns a number by which it can leave early.
  mutating func enter(
    _ waiter: Waiter, limit: Int, expected: Duration, now: ContinuousClock.Instant
  ) -> UInt64? {
    guard count < room(limit: limit, expected: expected, now: now) else { return nil }
    numbers += 1
    if count == 0 { filledSince = now }
    entries.append(Entry(number: numbers, since: now, waiter: waiter))
    count += 1
    return numbers
  }

  /// How many may wait.
  func room(limit: Int, expected: Duration, now: ContinuousClock.Instant) -> Int {
    isOverloaded(now, expected: expected)
      ? max(Limits.waitingCallsOverloadedMin, limit / 2)
      : min(max(Limits.waitingCallsMin, limit * 2), Limits.waitingCallsMax)
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
  mutating func next(expected: Duration, now: ContinuousClock.Instant) -> Waiter? {
    let isOverloaded = isOverloaded(now, expected: expected)
    while count > 0 {
      let place = isOverloaded ? entries.count - 1 : head
      let waiter = entries[place].waiter
      if isOverloaded { entries.removeLast() } else { head += 1 }
      guard let waiter else { continue }
      removed()
      return waiter
    }
    return nil
  }

  /// Those that have waited for too long.
  mutating func expire(expected: Duration, now: ContinuousClock.Instant) -> [Waiter] {
    let patience = patience(expected: expected, now: now)
    var expired: [Waiter] = []
    while count > 0, entries[head].waiter == nil || entries[head].since.duration(to: now) >= patience {
      if let waiter = entries[head].waiter {
        expired.append(waiter)
        count -= 1
      }
      head += 1
    }
    if !expired.isEmpty { tidy() }
    return expired
  }

  /// How long a call may wait now.
  func patience(expected: Duration, now: ContinuousClock.Instant) -> Duration {
    isOverloaded(now, expected: expected)
      ? min(max(expected / 2, Patience.overloadedMin), Patience.overloadedMax)
      : min(max(expected * 2, Patience.calmMin), Patience.calmMax)
  }

  private mutating func removed() {
    count -= 1
    tidy()
  }

  private mutating func tidy() {
    if count == 0 {
      entries.removeAll(keepingCapacity: true)
      head = 0
      filledSince = nil
    } else if head > 64, head * 2 > entries.count {
      entries.removeFirst(head)
      head = 0
    }
  }
}

/// How long calls wait for their turn.
enum Patience {
  /// A burst is over by then.
  static let burst = Duration.milliseconds(100)
  static let calmMin = Duration.milliseconds(100)
  static let calmMax = Duration.seconds(1)
  static let overloadedMin = Duration.milliseconds(10)
  static let overloadedMax = Duration.milliseconds(250)
}

extension Limits {
  /// Calls of one group of methods that wait for their turn: twice as many as may run, between these.
  static let waitingCallsMin = 64
  static let waitingCallsMax = 1_024
  /// Under lasting overload half as many as may run, at least these.
  static let waitingCallsOverloadedMin = 4
}
