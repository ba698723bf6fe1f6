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

  /// `id` gives the fixed id of a key. Where everything is there already nothing is written, so that a replica can
  /// start beside one that holds the lease.
  public static func apply(
    to queue: PostingQueue, _ limits: WalletLimits, id: (_ key: String) -> String
  ) async throws {
    try await ensure(try EnsureWallet(owner: .platform, kind: .platform, actor: .system), in: queue)
    for (key, kind) in owners {
      try await ensure(try EnsureWallet(owner: UserID(known: id(key)), kind: kind, actor: .system), in: queue)
    }
    for (key, amount) in deposits {
      let owner = UserID(known: id(key))
      try await ensure(
        try Deposit(owner: owner, amount: amount, ref: depositRef, actor: .system, limits: limits), in: queue)
    }
  }

  /// While another process holds the lease, it may be seeding as well, or have died a moment ago: both pass.
  private static func ensure(_ command: some LedgerCommand, in queue: PostingQueue) async throws {
    for _ in 1..<patience {
      if try await queue.replay(of: command) != nil { return }
      do {
        _ = try await queue.perform(command)
        return
      } catch is NotTheWriter {
        try await Task.sleep(for: .milliseconds(250), clock: .continuous)
      }
    }
    _ = try await queue.perform(command)
  }

  /// Attempts, a quarter of a second apart: three leases.
  private static let patience = 36
}
