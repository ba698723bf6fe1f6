import Kernel

/// The product's limits of money (DOMAIN 7.6), as configured.
public struct WalletLimits: Hashable, Sendable {
  /// Most that may be available to a shopper or a mediator after a credit.
  public let balanceMax: Money
  /// Most that may be available to an agency or a brand after a credit.
  public let businessBalanceMax: Money
  public let depositMax: Money

  public init(
    balanceMax: Money = Money(paise: 10_000_000), businessBalanceMax: Money = Money(paise: 10_000_000_000),
    depositMax: Money = Money(paise: 1_000_000_000)
  ) {
    self.balanceMax = balanceMax
    self.businessBalanceMax = businessBalanceMax
    self.depositMax = depositMax
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
