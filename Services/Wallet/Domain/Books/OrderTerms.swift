import Kernel

/// The parties of an order and what its owner pays for it: `D = C + M + F`.
public struct OrderTerms: Hashable, Sendable {
  /// Who pays: the brand, or the agency or mediator behind an inventory campaign.
  public let owner: UserID
  public let buyer: UserID
  /// May be the owner as well.
  public let mediator: UserID
  public let campaign: CampaignID
  public let commission: Money
  public let margin: Money
  public let fee: Money
  /// The owner's debit D.
  public let total: Money

  /// Fails with `INVALID_AMOUNT` when a part is negative or all are zero, and `AMOUNT_OUT_OF_RANGE` on overflow.
  public init(
    owner: UserID, buyer: UserID, mediator: UserID, campaign: CampaignID, commission: Money, margin: Money, fee: Money
  ) throws(Failure) {
    let parts = [("commissionPaise", commission), ("marginPaise", margin), ("platformFeePaise", fee)]
    for (path, amount) in parts where amount < .zero {
      throw Failure(
        .invalidAmount, "\(path) must not be negative", violations: [FieldViolation(path, "must not be negative")])
    }
    total = try commission.adding(margin).adding(fee)
    guard total > .zero else {
      throw Failure(.invalidAmount, "commission, margin and platform fee must not all be zero")
    }
    self.owner = owner
    self.buyer = buyer
    self.mediator = mediator
    self.campaign = campaign
    self.commission = commission
    self.margin = margin
    self.fee = fee
  }

  var parties: [UserID] { [owner, buyer, mediator] }
  var amounts: [Money] { [commission, margin, fee] }

  /// Existence comes before state and funds. Fails with `WALLET_NOT_FOUND` for whoever pays or is paid.
  func requireWallets(in ledger: Ledger) throws(Failure) {
    _ = try ledger.wallet(of: owner)
    if commission > .zero { _ = try ledger.wallet(of: buyer) }
    if margin > .zero { _ = try ledger.wallet(of: mediator) }
  }
}
