import Kernel

/// Wallet's part of the seed profile `base` (DOMAIN 13), made through the ordinary postings, so that applying it again
/// changes nothing.
public enum SeedBase {
  /// Staff have no wallet.
  private static let owners: [(key: String, kind: OwnerKind)] = [
    ("agencyA", .agency), ("agencyB", .agency), ("mediatorA", .mediator), ("mediatorA2", .mediator),
    ("mediatorB", .mediator), ("brandA", .brand), ("brandB", .brand), ("shopperA1", .shopper),
    ("shopperA2", .shopper), ("shopperA3", .shopper), ("shopperB", .shopper),
  ]
  private static let deposits: [(key: String, amount: Money)] = [
    ("brandA", Money(paise: 5_000_000)), ("brandB", Money(paise: 10_000)),
  ]
  private static let depositRef = "SEED-1"

  /// `id` gives the fixed id of a key.
  public static func apply(
    to queue: PostingQueue, _ limits: WalletLimits, id: (_ key: String) -> String
  ) async throws {
    _ = try await queue.perform(try EnsureWallet(owner: .platform, kind: .platform, actor: .system))
    for (key, kind) in owners {
      _ = try await queue.perform(try EnsureWallet(owner: UserID(unchecked: id(key)), kind: kind, actor: .system))
    }
    for (key, amount) in deposits {
      _ = try await queue.perform(
        try Deposit(
          owner: UserID(unchecked: id(key)), amount: amount, ref: depositRef, actor: .system, limits: limits))
    }
  }
}
