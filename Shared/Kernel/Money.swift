/// An amount of Indian rupees in paise. Never a fraction, never a bare integer.
///
/// May be negative where it is a difference; a requested amount is checked by whoever takes it.
public struct Money: Hashable, Comparable, Sendable {
  public let paise: Int64

  public static let zero = Money(paise: 0)

  public init(paise: Int64) {
    self.paise = paise
  }

  /// Fails with `AMOUNT_OUT_OF_RANGE` on overflow.
  public func adding(_ other: Money) throws(Failure) -> Money {
    let (sum, overflowed) = paise.addingReportingOverflow(other.paise)
    guard !overflowed else { throw Self.outOfRange }
    return Money(paise: sum)
  }

  /// Fails with `AMOUNT_OUT_OF_RANGE` on overflow.
  public func subtracting(_ other: Money) throws(Failure) -> Money {
    let (difference, overflowed) = paise.subtractingReportingOverflow(other.paise)
    guard !overflowed else { throw Self.outOfRange }
    return Money(paise: difference)
  }

  /// Fails with `AMOUNT_OUT_OF_RANGE` on overflow.
  public func multiplied(by factor: Int64) throws(Failure) -> Money {
    let (product, overflowed) = paise.multipliedReportingOverflow(by: factor)
    guard !overflowed else { throw Self.outOfRange }
    return Money(paise: product)
  }

  /// `basisPoints` ten-thousandths of the amount, rounded half up (DOMAIN 7.1). The amount must not be negative.
  public func portionRoundedHalfUp(basisPoints: Int64) throws(Failure) -> Money {
    let scaled = try multiplied(by: basisPoints).adding(Money(paise: 5_000))
    return Money(paise: scaled.paise / 10_000)
  }

  public static func < (left: Money, right: Money) -> Bool { left.paise < right.paise }

  private static var outOfRange: Failure {
    Failure(.amountOutOfRange, "the amount is larger than this system can count")
  }
}

extension Money: CustomStringConvertible {
  public var description: String { "\(paise) paise" }
}
