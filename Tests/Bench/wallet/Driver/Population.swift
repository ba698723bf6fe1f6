import Kernel
import Mongo
import WalletDomain
import WalletStorage

/// Who has a wallet. Ids are numbers, so that every process knows them without asking.
struct Population: Sendable {
  private static let funds = Money(paise: 1_000_000_000)
  /// Commands that are sent at a time while the books are filled.
  private static let portion = 500

  let owners: [UserID]
  let shoppers: [UserID]

  init(wallets: Int) {
    let half = max(1, wallets / 2)
    owners = (0..<half).map { Self.id("b", $0) }
    shoppers = (0..<half).map { Self.id("5", $0) }
  }

  private static func id(_ kind: String, _ number: Int) -> UserID {
    let digits = String(number, radix: 16)
    return UserID(known: kind + String(repeating: "0", count: 23 - digits.count) + digits)
  }

  /// Through the product's own commands, so that all invariants hold from the start.
  func fill(_ database: MongoDatabase) async throws {
    let ledger = try await MongoLedgerStore(database)
    let limits = WalletLimits()
    let queue = PostingQueue(store: ledger, clock: SystemClock(), limits: limits, holder: { "bench-wallet" })
    try await each(shoppers) { shopper in
      _ = try await queue.perform(try EnsureWallet(owner: shopper, kind: .shopper, actor: .system))
    }
    try await each(owners) { owner in
      let deposit = try Deposit(
        owner: owner, amount: Self.funds, ref: "bench", actor: .system, opening: .brand, limits: limits)
      _ = try await queue.perform(deposit)
    }
    await queue.resign()
    await ledger.close()
  }

  private func each(_ people: [UserID], _ work: @escaping @Sendable (UserID) async throws -> Void) async throws {
    for start in stride(from: 0, to: people.count, by: Self.portion) {
      try await withThrowingTaskGroup(of: Void.self) { group in
        for person in people[start..<min(start + Self.portion, people.count)] {
          group.addTask { try await work(person) }
        }
        try await group.waitForAll()
      }
    }
  }
}
