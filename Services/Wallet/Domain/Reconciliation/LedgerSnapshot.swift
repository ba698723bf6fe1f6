import Kernel

/// The whole books of one moment, page by page. Whatever is posted meanwhile is not in it.
///
/// A snapshot lives as long as the database keeps history; a reader that takes longer gets a failure, never a mixture.
public protocol LedgerSnapshot: Sendable {
  /// Wallets, closed ones too, in ascending order of id.
  func wallets(after id: WalletID?, limit: Int) async throws -> [Wallet]

  /// Rows in ascending order of the bytes of their keys, from `lower` to `upper`, both exclusive; nil has no end.
  func rows(after lower: String, below upper: String?, limit: Int) async throws -> [LedgerRow]

  /// Rows of wallets in ascending order of wallet id, each wallet's latest first; beginning with all rows of `place`.
  func statements(from place: StatementPlace?, limit: Int) async throws -> [LedgerRow]

  /// What open holds keep of each of these wallets; those without any are absent.
  func heldAmounts(of wallets: [Wallet]) async throws -> [WalletID: Money]

  /// What is locked for open payouts of each of these wallets; those without any are absent.
  func openPayoutAmounts(of wallets: [Wallet]) async throws -> [WalletID: Money]

  func holdTotals() async throws -> HoldTotals

  /// Payouts, deleted ones too, in ascending order of id.
  func payouts(after id: PayoutID?, limit: Int) async throws -> [Payout]

  func rows(of payouts: [PayoutID]) async throws -> [LedgerRow]
}

/// Where a page of statements continues.
public struct StatementPlace: Hashable, Sendable {
  public let wallet: WalletID
  public let at: Timestamp

  public init(wallet: WalletID, at: Timestamp) {
    self.wallet = wallet
    self.at = at
  }
}

/// All holds together.
public struct HoldTotals: Hashable, Sendable {
  /// Open and closed.
  public let count: Int64
  /// What the open ones keep.
  public let open: Money
  /// What the open ones promise to shoppers and mediators.
  public let promised: Money

  public init(count: Int64, open: Money, promised: Money) {
    self.count = count
    self.open = open
    self.promised = promised
  }
}
