import Testing

@testable import RPC

/// The queue as a reference, for expectations may not change a value.
private final class Line {
  var queue = WaitQueue<Int>()

  func enter(_ waiter: Int, limit: Int, expected: Duration, now: ContinuousClock.Instant) -> UInt64? {
    queue.enter(waiter, limit: limit, expected: expected, now: now)
  }
  func leave(_ number: UInt64) -> Int? { queue.leave(number) }
  func next(expected: Duration, now: ContinuousClock.Instant) -> Int? { queue.next(expected: expected, now: now) }
  func expire(expected: Duration, now: ContinuousClock.Instant) -> [Int] {
    queue.expire(expected: expected, now: now)
  }
}

@Suite("Calls wait for their turn")
struct WaitQueueTests {
  private let start = ContinuousClock.now
  private let expected = Duration.milliseconds(20)

  private func at(_ milliseconds: Int) -> ContinuousClock.Instant { start + .milliseconds(milliseconds) }

  /// A queue that the numbers entered at a time each.
  private func line(_ entries: [(Int, Int)]) -> Line {
    let line = Line()
    for (number, time) in entries { _ = line.enter(number, limit: 1_000, expected: expected, now: at(time)) }
    return line
  }

  @Test("in a burst the first comes first")
  func calm() {
    let queue = line([(1, 0), (2, 1), (3, 2)])
    #expect(queue.next(expected: expected, now: at(10)) == 1)
    #expect(queue.next(expected: expected, now: at(10)) == 2)
    #expect(queue.next(expected: expected, now: at(10)) == 3)
    #expect(queue.next(expected: expected, now: at(10)) == nil)
  }

  @Test("under lasting overload the last comes first")
  func overloaded() {
    let queue = line([(1, 0), (2, 60), (3, 95)])
    #expect(!queue.queue.isOverloaded(at(99), expected: expected))
    #expect(queue.queue.isOverloaded(at(100), expected: expected))
    #expect(queue.next(expected: expected, now: at(100)) == 3)
    #expect(queue.next(expected: expected, now: at(100)) == 2)
  }

  @Test("a queue that was empty for a moment is not overloaded")
  func recovery() {
    let queue = line([(1, 0)])
    #expect(queue.next(expected: expected, now: at(200)) == 1)
    _ = queue.enter(2, limit: 10, expected: expected, now: at(201))
    #expect(!queue.queue.isOverloaded(at(300), expected: expected))
  }

  @Test("slow calls have longer bursts")
  func slowBursts() {
    let queue = line([(1, 0)])
    #expect(!queue.queue.isOverloaded(at(400), expected: .milliseconds(500)))
    #expect(queue.queue.isOverloaded(at(500), expected: .milliseconds(500)))
  }

  @Test("who waits for too long is sent away, sooner under lasting overload")
  func patience() {
    let calm = line([(1, 0), (2, 50)])
    #expect(calm.queue.patience(expected: expected, now: at(60)) == .milliseconds(100))
    #expect(calm.expire(expected: expected, now: at(99)) == [])
    #expect(calm.expire(expected: expected, now: at(100)) == [1, 2], "overloaded by now: 10 ms are the most")

    let mixed = line([(1, 0), (2, 95), (3, 140)])
    #expect(mixed.expire(expected: expected, now: at(144)) == [1, 2])
    #expect(mixed.expire(expected: expected, now: at(149)) == [], "the queue is overloaded and 3 waits for 9 ms")
    #expect(mixed.queue.count == 1)
  }

  @Test(
    "patience follows the time that a call takes, within bounds",
    arguments: [(0, 100, 10), (20, 100, 10), (100, 200, 50), (1_000, 1_000, 250), (9_000, 1_000, 250)])
  func patienceBounds(expected: Int, calm: Int, overloaded: Int) {
    let queue = line([(1, 0)])
    let expected = Duration.milliseconds(expected)
    #expect(queue.queue.patience(expected: expected, now: at(1)) == .milliseconds(calm))
    #expect(queue.queue.patience(expected: expected, now: at(10_000)) == .milliseconds(overloaded))
  }

  @Test("the queue is bounded, and shorter under lasting overload")
  func room() {
    let queue = Line()
    for number in 0..<200 {
      #expect(queue.enter(number, limit: 100, expected: expected, now: at(0)) != nil)
    }
    #expect(queue.enter(200, limit: 100, expected: expected, now: at(0)) == nil)
    #expect(queue.queue.room(limit: 1, expected: expected, now: at(0)) == Limits.waitingCallsMin)
    #expect(queue.queue.room(limit: 10_000, expected: expected, now: at(0)) == Limits.waitingCallsMax)
    #expect(queue.queue.room(limit: 100, expected: expected, now: at(100)) == 50)
    #expect(queue.queue.room(limit: 1, expected: expected, now: at(100)) == Limits.waitingCallsOverloadedMin)
  }

  @Test("who goes away is gone, once, and the others keep their order")
  func leaving() throws {
    let queue = Line()
    let numbers = try (0..<300).map {
      try #require(queue.enter($0, limit: 1_000, expected: expected, now: at(0)))
    }
    for index in stride(from: 0, to: 300, by: 3) { #expect(queue.leave(numbers[index]) == index) }
    #expect(queue.leave(numbers[0]) == nil)
    #expect(queue.leave(999_999) == nil)
    #expect(queue.leave(0) == nil)
    #expect(queue.queue.count == 200)
    var order: [Int] = []
    while let next = queue.next(expected: expected, now: at(1)) { order.append(next) }
    #expect(order == (0..<300).filter { $0 % 3 != 0 })
    #expect(queue.leave(numbers[1]) == nil)
    #expect(queue.queue.age(at(500)) == .zero)
  }
}
