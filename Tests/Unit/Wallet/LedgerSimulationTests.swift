import Kernel
import Testing
import WalletDomain
import WalletMemory

// Goal: no sequence of commands, repeats, batches and faults ever breaks the books.
// Method: a seed drives commands on few parties and few orders, so that they collide often; after every step all
// invariants are checked, and every definite answer is compared with the ledger. A failure begins with its seed.
@Suite("Ledger simulation")
struct LedgerSimulationTests {
  @Test("the books balance after every step", arguments: 1...40)
  func simulate(seed: Int) async throws {
    var simulation = try await LedgerSimulation(seed: UInt64(seed))
    for step in 1...60 {
      let trouble = try await simulation.step()
      guard trouble.isEmpty else {
        Issue.record("seed \(seed), step \(step): \(trouble.joined(separator: "; "))\n\(simulation.trace)")
        return
      }
    }
  }
}

/// SplitMix64: the same numbers from the same seed, everywhere.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}

private struct LedgerSimulation {
  private var random: SeededGenerator
  private let harness: WalletHarness
  private let gate: GatedStore
  private var settlements: [SimulatedCommand] = []
  private var log: [String] = []
  /// Every closed hold as it was first seen.
  private var closed: [HoldNumber: Hold] = [:]

  private static let owners = [UserID.sample(1), .sample(2), .sample(3)]
  private static let mediators = [UserID.sample(3), .sample(4)]
  private static let buyers = [UserID.sample(5), .sample(6)]

  init(seed: UInt64) async throws {
    random = SeededGenerator(seed: seed)
    let books = InMemoryLedger()
    gate = GatedStore(books)
    let limits = WalletLimits(balanceMax: Money(paise: 60_000), businessBalanceMax: Money(paise: 150_000))
    harness = WalletHarness(ledger: books, limits: limits, store: gate)
    await gate.open()
    for (owner, kind) in [(1, OwnerKind.brand), (2, .agency), (3, .mediator), (4, .mediator), (5, .shopper)] {
      _ = try await harness.queue.perform(try EnsureWallet(owner: .sample(owner), kind: kind, actor: .system))
    }
  }

  /// The last commands, newest last.
  var trace: String { log.suffix(25).joined(separator: "\n") }

  /// A few commands at once, with or without a fault; returns what is wrong afterwards.
  mutating func step() async throws -> [String] {
    let commands = try (0..<Int.random(in: 1...6, using: &random)).map { _ in try nextCommand() }
    let faults = InMemoryLedger.Fault.allCases
    if Int.random(in: 0..<3, using: &random) == 0 {
      let count = Int.random(in: 1...3, using: &random)
      harness.ledger.inject((0..<count).map { _ in faults.randomElement(using: &random) })
    }
    harness.clock.advance(by: .milliseconds(Int.random(in: -50...200, using: &random)))
    let results = await send(commands)
    log.append(contentsOf: zip(commands, results).map { "\($0) -> \($1)" })
    let books = harness.ledger.books
    return books.contradictions + zip(commands, results).flatMap { disagreement($0, $1, books) } + doublePayments(books)
      + reopenedHolds(books)
  }

  /// A closed number stays as it is for ever.
  private mutating func reopenedHolds(_ books: Books) -> [String] {
    var reopened: [String] = []
    for hold in books.holds {
      if let before = closed[hold.number], before != hold {
        reopened.append("hold \(hold.number.order).\(hold.number.seq) was \(before.state) and is \(hold.state)")
      } else if !hold.isOpen {
        closed[hold.number] = hold
      }
    }
    return reopened
  }

  /// In order, as one batch behind a first one.
  private func send(_ commands: [SimulatedCommand]) async -> [SimulatedResult] {
    await gate.close()
    return await withTaskGroup(of: (Int, SimulatedResult).self) { group in
      for (index, command) in commands.enumerated() {
        group.addTask { [harness] in (index, await command.result(in: harness.queue)) }
        if index == 0 {
          while await !gate.isAwaited { await Task.yield() }
        } else {
          while await harness.queue.waitingCount < index { await Task.yield() }
        }
      }
      await gate.open()
      var results: [(Int, SimulatedResult)] = []
      for await result in group { results.append(result) }
      return results.sorted { $0.0 < $1.0 }.map(\.1)
    }
  }

  /// What was answered as done must be in the ledger; what was refused for good must not.
  private func disagreement(_ command: SimulatedCommand, _ result: SimulatedResult, _ books: Books) -> [String] {
    guard let key = command.posting else { return [] }
    let isPosted = books.rows.contains { $0.posting.text == key }
    switch result {
    case .done where !isPosted: return ["\(command) was answered, but \(key) is not posted"]
    case .refused(let code) where isPosted && command.refusalMeansNotPosted(code):
      return ["\(command) was refused as \(code), but \(key) is posted"]
    case .done, .refused, .unknown: return []
    }
  }

  /// However often and under whatever suffix a settlement is tried, it pays once.
  private func doublePayments(_ books: Books) -> [String] {
    let settled = Set(books.rows.map(\.posting.text).filter { $0.hasPrefix("order-settle:") })
    let numbers = Dictionary(grouping: settled) { $0.split(separator: "~")[0] }
    return numbers.filter { $0.value.count > 1 }.map { "\($0.key) was settled \($0.value.count) times" }
  }

  private mutating func nextCommand() throws -> SimulatedCommand {
    if Int.random(in: 0..<4, using: &random) == 0, let earlier = settlements.randomElement(using: &random) {
      return earlier
    }
    let command = try makeCommand()
    settlements.append(command)
    return command
  }

  private mutating func makeCommand() throws -> SimulatedCommand {
    let number = HoldNumber(
      order: .sample(Int.random(in: 100...107, using: &random)), seq: .random(in: 1...2, using: &random))
    switch Int.random(in: 0..<10, using: &random) {
    case 0, 1:
      let ref = "r\(Int.random(in: 1...12, using: &random))"
      let owner = Self.owners.randomElement(using: &random) ?? .sample(1)
      let amount = Money(paise: .random(in: 1...40_000, using: &random))
      return .deposit(
        try Deposit(owner: owner, amount: amount, ref: ref, actor: .system, opening: .brand, limits: harness.limits))
    case 2...4: return .lock(LockOrderFunds(number: number, terms: try terms(of: number.order), actor: .system))
    case 5: return .release(ReleaseOrderFunds(number: number, reason: "cancelled", actor: .system))
    default:
      return .settle(
        try SettleOrderFunds(
          order: number.order, seq: 1, holdSeq: .random(in: 0...2, using: &random), terms: try terms(of: number.order),
          resolve: Bool.random(using: &random), voidedTries: .random(in: 0...2, using: &random), actor: .system))
    }
  }

  /// An order's terms are fixed; one in twenty commands gets them wrong.
  private mutating func terms(of order: OrderID) throws -> OrderTerms {
    var fixed = SeededGenerator(seed: UInt64(order.rawValue.suffix(3)) ?? 0)
    let isWrong = Int.random(in: 0..<20, using: &random) == 0
    return try OrderTerms(
      owner: Self.owners.randomElement(using: &fixed) ?? .sample(1),
      buyer: Self.buyers.randomElement(using: &fixed) ?? .sample(5),
      mediator: Self.mediators.randomElement(using: &fixed) ?? .sample(4), campaign: .sample(20),
      commission: Money(paise: .random(in: 0...9_000, using: &fixed) + (isWrong ? 1 : 0)),
      margin: Money(paise: .random(in: 0...9_000, using: &fixed)),
      fee: Money(paise: .random(in: 1...900, using: &fixed)))
  }
}

private enum SimulatedResult: CustomStringConvertible {
  case done
  case refused(ErrorCode)
  /// The caller does not know: it would send the command again.
  case unknown(ErrorCode)

  var description: String {
    switch self {
    case .done: "done"
    case .refused(let code): code.rawValue
    case .unknown(let code): "\(code.rawValue) (unknown)"
    }
  }
}

private enum SimulatedCommand: CustomStringConvertible {
  case deposit(Deposit)
  case lock(LockOrderFunds)
  case release(ReleaseOrderFunds)
  case settle(SettleOrderFunds)

  func result(in queue: PostingQueue) async -> SimulatedResult {
    do {
      switch self {
      case .deposit(let command): _ = try await queue.perform(command)
      case .lock(let command): _ = try await queue.perform(command)
      case .release(let command): _ = try await queue.perform(command)
      case .settle(let command): _ = try await queue.perform(command)
      }
      return .done
    } catch {
      guard let code = (error as? Failure)?.code else { return .refused(.internalError) }
      return code.kind == .unavailable || code.kind == .aborted ? .unknown(code) : .refused(code)
    }
  }

  /// The key that the command would post under; nil where an answer may come from another key.
  var posting: String? {
    switch self {
    case .deposit(let command): "brand_deposit:\(command.owner):\(command.ref)"
    case .lock(let command): "order-lock:\(command.number.order):\(command.number.seq)"
    case .release(let command): "order-release:\(command.number.order):\(command.number.seq)"
    case .settle(let command):
      command.voidedTries == 0 ? "order-settle:\(command.order):\(command.seq)" : nil
    }
  }

  /// A mismatch means that the key is taken by something else. Other refusals mean that it is free; but a later
  /// command of the same step may have taken it since, so only those count that nothing can overtake.
  func refusalMeansNotPosted(_ code: ErrorCode) -> Bool {
    switch self {
    case .settle(let command): command.resolve && code != .idempotencyMismatch
    case .lock: code == .holdClosed
    case .release: code == .holdNotFound
    case .deposit: false
    }
  }

  var description: String {
    switch self {
    case .deposit(let command): "deposit \(command.amount.paise) \(command.ref) to \(command.owner)"
    case .lock(let command): "lock \(command.number.order).\(command.number.seq) \(command.terms.total.paise)"
    case .release(let command): "release \(command.number.order).\(command.number.seq)"
    case .settle(let command):
      "settle \(command.order).\(command.seq) hold \(command.hold?.seq ?? 0) \(command.terms.total.paise)"
        + " resolve \(command.resolve) tries \(command.voidedTries)"
    }
  }
}
