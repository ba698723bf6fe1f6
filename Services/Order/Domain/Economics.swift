public import Kernel

/// What one order costs and pays, fixed when it becomes ORDERED (DOMAIN 7.1). Per order, never per quantity.
public struct Economics: Hashable, Sendable {
  /// `C`: the shopper's cashback.
  public let commission: Money
  /// `P`: what the owner pays before the fee.
  public let payout: Money
  /// `F`: on top of the payout.
  public let platformFee: Money

  public init(commission: Money, payout: Money, platformFee: Money) {
    self.commission = commission
    self.payout = payout
    self.platformFee = platformFee
  }

  /// The terms of a deal with the fee of `feeBasisPoints`, rounded half up.
  ///
  /// Fails with `INVALID_ECONOMICS` when the cashback is larger than the payout or either is negative, and with
  /// `AMOUNT_OUT_OF_RANGE` on overflow.
  public init(commission: Money, payout: Money, feeBasisPoints: Int64) throws(Failure) {
    guard commission >= .zero, payout >= commission else {
      throw Failure(.invalidEconomics, "the cashback must lie between nothing and the payout")
    }
    self.init(
      commission: commission, payout: payout,
      platformFee: try payout.portionRoundedHalfUp(basisPoints: feeBasisPoints))
  }

  /// `M = P − C`: the mediator's part.
  public var margin: Money {
    // Both are within MAX_PRICE_PAISE and C ≤ P was checked when they were fixed, so this cannot overflow.
    Money(paise: payout.paise &- commission.paise)
  }

  /// `D = P + F`: what leaves the owner's wallet.
  public func ownerDebit() throws(Failure) -> Money { try payout.adding(platformFee) }
}
