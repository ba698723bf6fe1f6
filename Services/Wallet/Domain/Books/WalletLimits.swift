import Kernel

/// The product's limits of money (DOMAIN 7.6), as configured.
public struct WalletLimits: Hashable, Sendable {
  /// Most that may be available to a shopper or a mediator after a credit.
  public let balanceMax: Money
  /// Most that may be available to an agency or a brand after a credit.
  public let businessBalanceMax: Money
  public let depositMax: Money
  /// One payment of a brand to an agency.
  public let transferMax: Money
  public let payoutMin: Money
  public let payoutMax: Money
  /// Payouts of one beneficiary that may be requested or processing at once.
  public let openPayoutsMax: Int

  public init(
    balanceMax: Money = Money(paise: 10_000_000), businessBalanceMax: Money = Money(paise: 10_000_000_000),
    depositMax: Money = Money(paise: 1_000_000_000), transferMax: Money = Money(paise: 1_000_000_000),
    payoutMin: Money = Money(paise: 100), payoutMax: Money = Money(paise: 10_000_000), openPayoutsMax: Int = 5
  ) {
    self.balanceMax = balanceMax
    self.businessBalanceMax = businessBalanceMax
    self.depositMax = depositMax
    self.transferMax = transferMax
    self.payoutMin = payoutMin
    self.payoutMax = payoutMax
    self.openPayoutsMax = openPayoutsMax
  }

  /// Fails with `INVALID_AMOUNT` below one paisa, and with `AMOUNT_OUT_OF_RANGE` outside of `range`.
  static func check(_ amount: Money, in range: ClosedRange<Money>) throws(Failure) {
    guard amount > .zero else { throw Failure(.invalidAmount, "amountPaise must be at least 1") }
    guard range.contains(amount) else {
      throw Failure(
        .amountOutOfRange, "amountPaise must be from \(range.lowerBound.paise) to \(range.upperBound.paise)")
    }
  }

  /// Nil for the platform: once its wallet were full, nobody could settle any more.
  func ceiling(for kind: OwnerKind) -> Money? {
    switch kind {
    case .shopper, .mediator: balanceMax
    case .agency, .brand: businessBalanceMax
    case .platform: nil
    }
  }
}
