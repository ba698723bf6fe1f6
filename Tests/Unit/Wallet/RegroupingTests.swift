import Testing

@testable import WalletDomain

@Suite("Regrouping")
struct RegroupingTests {
  @Test(
    "few callers are waited for, many are not, and nobody after a lone one",
    arguments: [
      (1, 0, nil), (1, 1, 1), (4, 4, 4), (8, 0, 8), (4, 5, nil), (9, 0, nil), (0, 3, nil),
    ] as [(Int, Int, Int?)])
  func bounds(batch: Int, others: Int, expected: Int?) {
    var regrouping = Regrouping(callersMax: 8)
    #expect(regrouping.awaited(after: batch, beside: others) == expected)
  }

  @Test("where fewer than half came, the next attempt is made after sixteen batches")
  func misses() {
    var regrouping = Regrouping(callersMax: 8)
    regrouping.came(2, of: 4)
    #expect(regrouping.awaited(after: 4, beside: 0) == 4)
    regrouping.came(1, of: 4)
    let attempts = (0..<17).map { _ in regrouping.awaited(after: 4, beside: 0) }
    #expect(attempts == Array(repeating: nil, count: 16) + [4])
  }

  @Test("no regrouping at all can be asked for")
  func off() {
    var regrouping = Regrouping(callersMax: 0)
    #expect(regrouping.awaited(after: 2, beside: 0) == nil)
  }
}
