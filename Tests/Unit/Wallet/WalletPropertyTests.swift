import Kernel
import Testing
import WalletDomain
import WalletSimulation

// Goal: what every command must keep, whatever its amounts are. Method: a seed makes sequences of commands with amounts
// at the borders (nothing, one paisa, the ceilings, the ends of Int64), decides them purely, and compares before and
// after.
@Suite("Properties of wallet's commands")
struct WalletPropertyTests {
  @Test("every decision keeps the books, and every repeat is recognised", arguments: 1...60)
  func decisions(seed: Int) throws {
    var books = PureBooks(seed: UInt64(seed))
    for step in 1...60 {
      let trouble = try books.step()
      guard trouble.isEmpty else {
        Issue.record("seed \(seed), step \(step): \(trouble.joined(separator: "; "))")
        return
      }
    }
    #expect(books.applied > 5, "seed \(seed) refuses nearly everything")
  }

  @Test(
    "amounts that are no amounts are refused, with a code of their own",
    arguments: [
      (0, .invalidAmount), (-1, .invalidAmount), (.min, .invalidAmount), (1_000_000_001, .amountOutOfRange),
      (.max, .amountOutOfRange), (1, nil), (1_000_000_000, nil),
    ] as [(Int64, ErrorCode?)])
  func deposits(paise: Int64, expected: ErrorCode?) async {
    let actual = await code {
      try Deposit(owner: .sample(1), amount: Money(paise: paise), ref: "A", actor: .system, limits: WalletLimits())
    }
    #expect(actual == expected)
  }

  @Test(
    "an order's parts are not negative, not all zero, and have a sum",
    arguments: [
      ([0, 0, 0], .invalidAmount), ([-1, 2, 2], .invalidAmount), ([2, -1, 2], .invalidAmount),
      ([2, 2, -1], .invalidAmount), ([.min, 0, 0], .invalidAmount), ([.max, 1, 0], .amountOutOfRange),
      ([.max, 0, 1], .amountOutOfRange), ([0, .max, .max], .amountOutOfRange), ([.max, 0, 0], nil), ([0, 0, 1], nil),
    ] as [([Int64], ErrorCode?)])
  func terms(parts: [Int64], expected: ErrorCode?) async {
    let actual = await code {
      try OrderTerms(
        owner: .sample(1), buyer: .sample(2), mediator: .sample(3), campaign: .sample(4),
        commission: Money(paise: parts[0]), margin: Money(paise: parts[1]), fee: Money(paise: parts[2]))
    }
    #expect(actual == expected)
  }

  // Goal: no sum wraps around. Method: a wallet without a ceiling is filled to the last paisa that Int64 holds.
  @Test("a balance that would not fit is refused, and the one that just fits is not")
  func overflow() async throws {
    let most = Money(paise: .max)
    let limits = WalletLimits(balanceMax: most, businessBalanceMax: most, depositMax: most)
    let harness = try await WalletHarness.funded(.max - 1, limits: limits)
    #expect(await code { try await harness.deposit(2, ref: "too much") } == .amountOutOfRange)
    try await harness.deposit(1, ref: "just enough")
    #expect(await code { try await harness.deposit(1, ref: "one more") } == .amountOutOfRange)
    #expect(harness.balances(harness.owner) == [.max, 0, 0])
    _ = try await harness.queue.perform(try harness.lock(1, try harness.terms(.max, 0, 0)))
    #expect(harness.balances(harness.owner) == [0, .max, 0] && harness.balances(harness.buyer) == [0, 0, .max])
    _ = try await harness.queue.perform(try harness.settle(1, hold: 1, try harness.terms(.max, 0, 0)))
    #expect(harness.balances(harness.buyer) == [.max, 0, 0])
    #expect(harness.ledger.books.contradictions == [])
  }
}

/// The books as pure values: commands are decided on them without queue or store.
private struct PureBooks {
  private var random: SeededGenerator
  private let limits: WalletLimits
  private var wallets: [UserID: Wallet] = [:]
  private var holds: [HoldNumber: Hold] = [:]
  private var postings: [PostingKey: KnownPosting] = [:]
  private var voided: [PostingKey: VoidedPosting] = [:]
  private var now = Timestamp(milliseconds: 1_700_000_000_000)
  private(set) var applied = 0

  init(seed: UInt64) {
    random = SeededGenerator(seed: seed)
    let most = Money(paise: .max)
    // With every other seed ceilings do not stop what Int64 must.
    limits =
      seed.isMultiple(of: 2)
      ? WalletLimits(balanceMax: most, businessBalanceMax: most, depositMax: most)
      : WalletLimits(balanceMax: Money(paise: 5_000), businessBalanceMax: Money(paise: 20_000))
  }

  private var ledger: Ledger {
    Ledger(
      batchesCommitted: 0, wallets: Array(wallets.values), holds: Array(holds.values),
      postings: Array(postings.values), voided: Array(voided.values))
  }

  /// One command more; what is wrong with it.
  mutating func step() throws -> [String] {
    now = now.advanced(by: .milliseconds(Int.random(in: -100...1_000, using: &random)))
    let number = HoldNumber(
      order: .sample(.random(in: 10...14, using: &random)), seq: .random(in: 1...2, using: &random))
    switch Int.random(in: 0..<10, using: &random) {
    case 0:
      let (owner, kind) = Self.people.randomElement(using: &random) ?? (.sample(1), .brand)
      return judge(try EnsureWallet(owner: owner, kind: kind, actor: .system), nil)
    case 1...4:
      guard let deposit = try legal({ try $0.deposit() }) else { return [] }
      let other = try? Deposit(
        owner: deposit.owner, amount: Money(paise: deposit.amount.paise - 1), ref: deposit.ref, actor: .system,
        limits: limits)
      return judge(deposit, other)
    case 5, 6:
      guard let terms = try legal({ try $0.terms() }) else { return [] }
      return judge(
        LockOrderFunds(number: number, terms: terms, actor: .system),
        try other(terms).map { LockOrderFunds(number: number, terms: $0, actor: .system) })
    case 7: return judge(ReleaseOrderFunds(number: number, reason: "cancelled", actor: .system), nil)
    default:
      guard let terms = try legal({ try $0.terms() }) else { return [] }
      let isResolving = Bool.random(using: &random)
      func settle(_ terms: OrderTerms) throws -> SettleOrderFunds {
        try SettleOrderFunds(
          order: number.order, seq: 1, holdSeq: number.seq, terms: terms, resolve: isResolving, voidedTries: 0,
          actor: .system)
      }
      return judge(try settle(terms), try other(terms).map(settle))
    }
  }

  // MARK: - Amounts and people

  private static let people: [(UserID, OwnerKind)] = [
    (.sample(1), .brand), (.sample(2), .agency), (.sample(3), .mediator), (.sample(4), .shopper),
  ]

  private mutating func amount() -> Int64 {
    let borders: [Int64] = [0, 1, 2, 4_999, 5_000, 5_001, 19_999, 20_000, 20_001, -1, .max - 1, .max, .min]
    guard Int.random(in: 0..<4, using: &random) == 0, let border = borders.randomElement(using: &random) else {
      return .random(in: 0...3_000, using: &random)
    }
    return border
  }

  private mutating func deposit() throws -> Deposit {
    let (owner, kind) = Self.people[Int.random(in: 0...2, using: &random)]
    return try Deposit(
      owner: owner, amount: Money(paise: amount()), ref: "r\(Int.random(in: 1...9, using: &random))", actor: .system,
      opening: kind, limits: limits)
  }

  private mutating func terms() throws -> OrderTerms {
    try OrderTerms(
      owner: Self.people[Int.random(in: 0...2, using: &random)].0, buyer: .sample(4),
      mediator: Self.people[Int.random(in: 2...3, using: &random)].0, campaign: .sample(5),
      commission: Money(paise: amount()), margin: Money(paise: amount()), fee: Money(paise: amount()))
  }

  /// The same parties and another amount.
  private func other(_ terms: OrderTerms) throws -> OrderTerms? {
    try? OrderTerms(
      owner: terms.owner, buyer: terms.buyer, mediator: terms.mediator, campaign: terms.campaign,
      commission: terms.commission, margin: terms.margin, fee: terms.fee.adding(Money(paise: 1)))
  }

  /// Nil when the amounts are refused before there is a command, which has tests of its own.
  private mutating func legal<Value>(_ make: (inout PureBooks) throws -> Value) throws -> Value? {
    do {
      return try make(&self)
    } catch let failure as Failure where [.invalidAmount, .amountOutOfRange].contains(failure.code) {
      return nil
    }
  }

  // MARK: - What must hold

  /// Decides the command; `other` asks for something else under the same key.
  private mutating func judge<Command: LedgerCommand>(_ command: Command, _ other: Command?) -> [String] {
    let before = ledger
    let context = DecisionContext(now: now, limits: limits)
    do {
      if try command.replay(in: before) != nil {
        return mismatch(other, in: before)
      }
      switch try command.decide(on: before, context) {
      case .refusal(let change, _):
        let isEmpty = change.wallets.isEmpty && change.rows.isEmpty
        apply(change)
        return isEmpty ? [] : ["\(command) refuses and moves money"]
      case .change(let change, let answer):
        var problems = imbalances(of: change, on: before)
        apply(change)
        applied += 1
        let again = try command.replay(in: ledger)
        if again == nil { problems.append("the repeat of \(command) is not recognised") }
        if let again, "\(again)" != "\(answer)" { problems.append("\(command): \(answer), then \(again)") }
        return problems + mismatch(other, in: ledger)
      }
    } catch {
      return error.kind == .internal ? ["\(command): \(error)"] : []
    }
  }

  private func mismatch<Command: LedgerCommand>(_ other: Command?, in ledger: Ledger) -> [String] {
    guard let other else { return [] }
    do {
      _ = try other.replay(in: ledger)
      return ["\(other) is answered under a key of something else"]
    } catch {
      return error.code == .idempotencyMismatch ? [] : ["\(other): \(error.code) instead of a mismatch"]
    }
  }

  private func imbalances(of change: LedgerChange, on before: Ledger) -> [String] {
    var problems: [String] = []
    for posting in change.postings {
      let moved = posting.rows.filter { !$0.leg.isMemo }
      if wide(moved) != 0 { problems.append("\(posting.key.text) is off by \(wide(moved))") }
      if posting.rows.contains(where: { $0.leg.amount < Money(paise: 1) }) {
        problems.append("\(posting.key.text) has a leg of nothing")
      }
    }
    for wallet in change.wallets {
      let old = before.wallets[wallet.owner]
      let rows = change.rows.filter { $0.walletEntry?.owner == wallet.owner }
      let touching = Set(rows.map(\.posting)).count
      if wallet.version != (old?.version ?? 0) + Int64(touching) {
        problems.append("\(wallet.owner) goes from version \(old?.version ?? 0) to \(wallet.version)")
      }
      for bucket in Bucket.allCases {
        let balance = wallet.balances[keyPath: bucket.path].paise
        let change = wide(rows.filter { $0.walletEntry?.bucket == bucket })
        if balance < 0 { problems.append("\(bucket) of \(wallet.owner) is \(balance)") }
        if Int128(old?.balances[keyPath: bucket.path].paise ?? 0) + change != Int128(balance) {
          problems.append("\(bucket) of \(wallet.owner) is \(balance), which its rows do not say")
        }
      }
    }
    return problems
  }

  /// A sum that cannot overflow.
  private func wide(_ rows: [LedgerRow]) -> Int128 {
    rows.reduce(0) { $0 + Int128($1.leg.direction == .credit ? 1 : -1) * Int128($1.leg.amount.paise) }
  }

  private mutating func apply(_ change: LedgerChange) {
    for wallet in change.wallets { wallets[wallet.owner] = wallet }
    for hold in change.holds { holds[hold.number] = hold }
    for posting in change.postings { postings[posting.key] = posting }
    for refusal in change.voided { voided[refusal.key] = refusal }
  }
}

extension Bucket {
  fileprivate var path: KeyPath<Balances, Money> {
    switch self {
    case .available: \.available
    case .locked: \.locked
    case .pending: \.pending
    }
  }
}
