import Testing

@testable import Transport

@Suite("An event loop that falls behind knows it")
struct LoopTurnsTests {
  private let start = ContinuousClock.now

  private func at(_ milliseconds: Int) -> ContinuousClock.Instant { start + .milliseconds(milliseconds) }

  /// Turns that begin and end at these times, each with a second reading in it.
  private func turns(_ times: [(Int, Int)]) -> LoopTurns {
    var turns = LoopTurns()
    for (begin, end) in times {
      let isFirst = turns.begin(at(begin))
      let isAgain = turns.begin(at(end))
      #expect(isFirst && !isAgain)
      turns.end(at(end))
    }
    return turns
  }

  @Test("what is read late in a long turn is late, once long turns have followed each other for a while")
  func behind() {
    var behind = turns([(0, 700), (700, 1_400), (1_400, 2_100)])
    _ = behind.begin(at(2_100))
    #expect(behind.lag(at(2_100)) == .zero)
    #expect(behind.lag(at(2_250)) == .milliseconds(150))
    behind.end(at(2_300))
    #expect(behind.lag(at(2_400)) == .zero, "nothing is being read")
  }

  @Test("one long turn is a hiccup, however long")
  func hiccup() {
    var turns = turns([(0, 5)])
    _ = turns.begin(at(10))
    #expect(turns.lag(at(3_000)) == .zero)
    turns.end(at(3_000))
    _ = turns.begin(at(3_000))
    turns.end(at(3_010))
    _ = turns.begin(at(3_010))
    #expect(turns.lag(at(9_000)) == .zero)
  }

  @Test("a loop that has caught up once is not behind")
  func recovery() {
    var turns = turns([(0, 300), (300, 600), (600, 640), (640, 900)])
    _ = turns.begin(at(900))
    #expect(turns.lag(at(2_639)) == .zero)
    #expect(turns.lag(at(2_640)) == .milliseconds(1_740))
  }
}
