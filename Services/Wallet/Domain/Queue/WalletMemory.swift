import Kernel

/// The wallets used last, as the batches under way leave them. Bounded: of those beyond the newer half, only the ones
/// that are used again stay.
struct WalletMemory {
  private let generationMax: Int
  private var newer: [UserID: Wallet] = [:]
  private var older: [UserID: Wallet] = [:]

  /// Keeps at least half of `max` wallets, those used last, and never more than `max`.
  init(max: Int) {
    generationMax = Swift.max(1, max / 2)
  }

  var count: Int { newer.count + older.count }

  /// What is known of the owner's wallet.
  mutating func wallet(of owner: UserID) -> Wallet? {
    if let wallet = newer[owner] { return wallet }
    guard let wallet = older[owner] else { return nil }
    remember(wallet)
    return wallet
  }

  mutating func remember(_ wallet: Wallet) {
    if newer.count >= generationMax, newer[wallet.owner] == nil {
      older = newer
      newer.removeAll(keepingCapacity: true)
    }
    newer[wallet.owner] = wallet
    older[wallet.owner] = nil
  }

  mutating func forget(_ owner: UserID) {
    newer[owner] = nil
    older[owner] = nil
  }

  mutating func forget() {
    newer = [:]
    older = [:]
  }
}
