import Testing

@testable import RPC

/// The queue as a reference, for expectations may not change a value.
private final class Line {
  var queue = WaitQueue<Int>()

  func enter(
    _ waiter: Int, pace: Duration = .zero, patience: Duration = .seconds(1), now: ContinuousClock.Instant
  ) -> UInt64? {
    queue.enter(waiter, pace: pace, patience: patience, now: now)
  }
  func leave(_ number: UInt64) -> Int? { queue.leave(number) }
  func next() -> Int? { queue.next() }
  func expire(now: ContinuousClock.Instant) -> [Int] { queue.expire(now: now) }
}

@Suite("Calls wait for their turn")
struct WaitQueueTests {
  private let start = ContinuousClock.now

  private func at(_ milliseconds: Int) -> ContinuousClock.Instant { start + .milliseconds(milliseconds) }

  /// A queue that the numbers entered at a time each.
  private func line(_ entries: [(Int, Int)]) -> Line {
    let line = Line()
    for (number, time) in entries { _ = line.enter(number, now: at(time)) }
    return line
  }

  @Test("the first comes first, however long the queue has been filled")
  func order() {
    let queue = line([(1, 0), (2, 1), (3, 900)])
    #expect(queue.next() == 1)
    #expect(queue.next() == 2)
    #expect(queue.next() == 3)
    #expect(queue.next() == nil)
  }

  @Test("the wait of the first is what counts, and those that left do not count")
  func sojourn() throws {
    let queue = Line()
    #expect(queue.queue.sojourn(at(5)) == .zero)
    let first = try #require(queue.enter(1, now: at(0)))
    _ = queue.enter(2, now: at(30))
    #expect(queue.queue.sojourn(at(100)) == .milliseconds(100))
    #expect(queue.leave(first) == 1)
    #expect(queue.queue.sojourn(at(100)) == .milliseconds(70))
    #expect(queue.next() == 2)
    #expect(queue.queue.sojourn(at(100)) == .zero)
  }

  @Test("a call is taken in if its turn comes in time at the pace at which calls end")
  func room() {
    let queue = Line()
    for number in 0..<50 {
      #expect(queue.enter(number, pace: .milliseconds(2), patience: .milliseconds(100), now: at(0)) != nil)
    }
    #expect(queue.enter(50, pace: .milliseconds(2), patience: .milliseconds(100), now: at(0)) == nil)
    #expect(queue.enter(50, pace: .milliseconds(1), patience: .milliseconds(100), now: at(0)) != nil)
    #expect(queue.queue.wait(pace: .milliseconds(2)) == .milliseconds(104))
  }

  @Test("the queue is bounded whatever the pace")
  func bound() {
    let queue = Line()
    for number in 0..<Limits.waitingCallsMax { #expect(queue.enter(number, now: at(0)) != nil) }
    #expect(queue.enter(-1, now: at(0)) == nil)
    #expect(queue.next() == 0)
    #expect(queue.enter(-1, now: at(0)) != nil)
  }

  @Test("who was taken in and waits for half as long again is sent away")
  func expiry() {
    let queue = Line()
    for (number, time, patience) in [(1, 0, 100), (2, 50, 200), (3, 60, 100), (4, 200, 100)] {
      _ = queue.enter(number, patience: .milliseconds(patience), now: at(time))
    }
    #expect(queue.queue.nextExpiry == at(150))
    #expect(queue.expire(now: at(149)) == [])
    #expect(queue.expire(now: at(150)) == [1])
    #expect(queue.expire(now: at(349)) == [], "the third is behind the second, whose turn comes first")
    #expect(queue.expire(now: at(350)) == [2, 3, 4])
    #expect(queue.queue.nextExpiry == nil)
  }

  @Test(
    "patience follows the time that a call takes, within bounds",
    arguments: [(0, 500), (20, 500), (250, 500), (400, 800), (1_000, 2_000), (9_000, 2_000)])
  func patience(expected: Int, patience: Int) {
    #expect(Patience.of(.milliseconds(expected)) == .milliseconds(patience))
  }

  @Test(
    "who gives a call much time waits for a tenth of it",
    arguments: [(1_000, 500), (5_000, 500), (5_010, 501), (30_000, 3_000), (50_000, 5_000), (600_000, 5_000)])
  func patience(remaining: Int, patience: Int) {
    #expect(Patience.of(.zero, remaining: .milliseconds(remaining)) == .milliseconds(patience))
  }

  @Test("who goes away is gone, once, and the others keep their order")
  func leaving() throws {
    let queue = Line()
    let numbers = try (0..<300).map { try #require(queue.enter($0, now: at(0))) }
    for index in stride(from: 0, to: 300, by: 3) { #expect(queue.leave(numbers[index]) == index) }
    #expect(queue.leave(numbers[0]) == nil)
    #expect(queue.leave(999_999) == nil)
    #expect(queue.leave(0) == nil)
    #expect(queue.queue.count == 200)
    var order: [Int] = []
    while let next = queue.next() { order.append(next) }
    #expect(order == (0..<300).filter { $0 % 3 != 0 })
    #expect(queue.leave(numbers[1]) == nil)
  }
}
