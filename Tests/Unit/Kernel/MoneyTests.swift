import Kernel
import Testing

@Suite("Money")
struct MoneyTests {
  // Goal: no sum is ever wrong. Method: both sides of both ends of the range.
  @Test("addition refuses to overflow")
  func addition() throws {
    let largest = Money(paise: .max)
    #expect(try largest.subtracting(Money(paise: 1)).adding(Money(paise: 1)) == largest)
    #expect(throws: Failure.self) { try largest.adding(Money(paise: 1)) }
    #expect(throws: Failure.self) { try Money(paise: .min).subtracting(Money(paise: 1)) }
    #expect(throws: Failure.self) { try largest.multiplied(by: 2) }
  }

  // The platform fee of DOMAIN 7.1: F = (P × bps + 5000) / 10000, half up.
  @Test(
    "a portion is rounded half up",
    arguments: [(10_000, 250, 250), (1, 5_000, 1), (1, 4_999, 0), (0, 250, 0), (199, 250, 5), (3, 5_000, 2)]
      as [(Int64, Int64, Int64)])
  func portion(amount: Int64, basisPoints: Int64, expected: Int64) throws {
    #expect(try Money(paise: amount).portionRoundedHalfUp(basisPoints: basisPoints) == Money(paise: expected))
  }
}
