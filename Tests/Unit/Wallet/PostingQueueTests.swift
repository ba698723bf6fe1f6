import Kernel
import Testing
import WalletDomain
import WalletMemory

@Suite("Posting queue")
struct PostingQueueTests {
  /// Sends the commands in order, so that the first is a batch and the others are the next one; awaits all.
  private func together<Command: LedgerCommand>(
    _ harness: WalletHarness, _ gate: GatedStore, _ commands: [Command]
  ) async -> [Result<Outcome<Command.Answer>, any Error>] {
    await gate.close()
    return await withTaskGroup(of: (Int, Result<Outcome<Command.Answer>, any Error>).self) { group in
      for (index, command) in commands.enumerated() {
        group.addTask {
          do { return (index, .success(try await harness.queue.perform(command))) } catch {
            return (index, .failure(error))
          }
        }
        // The first is taken at once; every other waits behind it.
        while index > 0, await harness.queue.waitingCount < index { await Task.yield() }
        if index == 0 { while await !gate.isAwaited { await Task.yield() } }
      }
      await gate.open()
      var results: [(Int, Result<Outcome<Command.Answer>, any Error>)] = []
      for await result in group { results.append(result) }
      return results.sorted { $0.0 < $1.0 }.map(\.1)
    }
  }

  /// A pause that never ends by itself.
  private static func untilCutShort(_: Duration) async {
    for await _ in AsyncStream<Never>.makeStream().stream {}
  }

  private func gated(
    _ paise: Int64, pause: @escaping @Sendable (Duration) async -> Void = { _ in }
  ) async throws -> (WalletHarness, GatedStore) {
    let books = InMemoryLedger()
    let gate = GatedStore(books)
    let harness = WalletHarness(ledger: books, store: gate, pause: pause)
    await gate.open()
    try await harness.openWallets()
    if paise > 0 { try await harness.deposit(paise, ref: "SEED-1") }
    return (harness, gate)
  }

  // Goal: N debits of which k can be funded. Method: twenty settlements of 10 000 against 70 000, in two batches.
  @Test("of many debits exactly those that can be paid succeed, in one batch")
  func someOfMany() async throws {
    let (harness, gate) = try await gated(70_000)
    let settlements = try (0..<20).map { try harness.settle(1, hold: 0, of: .sample(100 + $0)) }
    let before = harness.ledger.commits
    let results = await together(harness, gate, settlements)
    #expect(results.filter { (try? $0.get()) != nil }.count == 7)
    #expect(results.compactMap { ($0.failure as? Failure)?.code } == Array(repeating: .insufficientFunds, count: 13))
    #expect(harness.ledger.commits - before == 2)
    #expect(harness.balances(harness.owner) == [0, 0, 0])
    #expect(harness.ledger.books.wallet(of: harness.owner)?.version == 8)
    #expect(harness.ledger.books.contradictions == [])
  }

  @Test("twins in one batch are one posting and two equal answers; a twin of another body is refused")
  func twins() async throws {
    let (harness, gate) = try await gated(70_000)
    let twin = try harness.settle(1, hold: 0)
    let other = try harness.settle(1, hold: 0, try harness.terms(1, 2))
    let results = await together(harness, gate, [try harness.settle(1, hold: 0, of: .sample(99)), twin, twin, other])
    #expect(try results[1].get().isReplay == false && results[2].get().isReplay)
    #expect(try results[1].get().answer == results[2].get().answer)
    #expect((results[3].failure as? Failure)?.code == .idempotencyMismatch)
    #expect(harness.balances(harness.buyer) == [10_000, 0, 0])
    #expect(harness.ledger.books.contradictions == [])
  }

  @Test("a hold may be opened and closed within one batch")
  func holdWithinBatch() async throws {
    let (harness, gate) = try await gated(70_000)
    let first = AnyOrderCommand.settle(try harness.settle(1, hold: 0, of: .sample(99)))
    let results = await together(
      harness, gate, [first, .lock(try harness.lock()), .settle(try harness.settle()), .release(harness.release())])
    #expect(results.prefix(3).allSatisfy { (try? $0.get()) != nil })
    #expect((results[3].failure as? Failure)?.code == .holdClosed)
    #expect(harness.ledger.books.holds.map(\.state) == [.consumed])
    #expect(harness.ledger.books.contradictions == [])
  }

  @Test(
    "whatever happens to a commit, the command is applied once",
    arguments: [
      ([.unknownAfterWriting], true), ([.unknownBeforeWriting], true), ([.loseRace, .loseRace], true),
      ([.duplicate], true), ([.failBefore], false), ([.loseRace, .loseRace, .loseRace], false),
      ([.unknownForGood], false),
    ] as [([InMemoryLedger.Fault], Bool)])
  func faults(faults: [InMemoryLedger.Fault], isSurvived: Bool) async throws {
    let harness = try await WalletHarness.funded()
    harness.ledger.inject(faults)
    let first = try? await harness.queue.perform(try harness.settle())
    #expect((first != nil) == isSurvived)
    let second = try await harness.queue.perform(try harness.settle())
    #expect(second.isReplay == (isSurvived || faults == [.unknownForGood]))
    #expect(harness.balances(harness.buyer) == [5_000, 0, 0])
    #expect(harness.ledger.books.contradictions == [])
  }

  @Test(
    "a commit that fails tells the caller what to do",
    arguments: [
      ([.loseRace, .loseRace, .loseRace], .walletConflict), ([.failBefore], .databaseUnavailable),
      ([.unknownForGood], .serviceUnavailable),
    ] as [([InMemoryLedger.Fault], ErrorCode)])
  func codes(faults: [InMemoryLedger.Fault], expected: ErrorCode) async throws {
    let harness = try await WalletHarness.funded()
    harness.ledger.inject(faults)
    #expect(await code { try await harness.queue.perform(try harness.settle()) } == expected)
  }

  // A collision that no look-up foresees must fail its own command only: the batch is halved until it stands alone.
  @Test("an unforeseen duplicate fails alone")
  func halving() async throws {
    let (harness, gate) = try await gated(100_000)
    let settlements = try (0..<5).map { try harness.settle(1, hold: 0, of: .sample(100 + $0)) }
    // The first batch passes. The second collides on all attempts, then so does its first half, then the half's first
    // command: that one alone is refused.
    harness.ledger.inject([nil] + Array(repeating: .duplicate, count: 3 + 3 + 3))
    let results = await together(harness, gate, settlements)
    #expect(results.map { (try? $0.get()) != nil } == [true, false, true, true, true])
    #expect((results[1].failure as? Failure)?.code == .walletConflict)
    #expect(harness.ledger.books.contradictions == [])
  }

  @Test("a command whose deadline has passed when its turn comes is dropped")
  func deadline() async throws {
    let (harness, gate) = try await gated(70_000)
    await gate.close()
    async let first = harness.queue.perform(try harness.settle(1, hold: 0))
    while await !gate.isAwaited { await Task.yield() }
    async let late = code {
      try await Deadline.$current.withValue(.after(.zero)) {
        try await harness.queue.perform(try harness.settle(1, hold: 0, of: .sample(11)))
      }
    }
    while await harness.queue.waitingCount < 1 { await Task.yield() }
    await gate.open()
    #expect(await late == .deadlineExceeded)
    _ = try await first
    #expect(harness.balances(harness.buyer) == [5_000, 0, 0])
  }

  @Test("a cancelled caller's command is dropped while it waits")
  func cancellation() async throws {
    let (harness, gate) = try await gated(70_000)
    await gate.close()
    async let first = harness.queue.perform(try harness.settle(1, hold: 0))
    while await !gate.isAwaited { await Task.yield() }
    let waiting = Task { try await harness.queue.perform(try harness.settle(1, hold: 0, of: .sample(11))) }
    while await harness.queue.waitingCount < 1 { await Task.yield() }
    waiting.cancel()
    await #expect(throws: CancellationError.self) { try await waiting.value }
    await gate.open()
    _ = try await first
    #expect(harness.balances(harness.buyer) == [5_000, 0, 0])
  }

  // Goal: two callers who call again at once share their batches from then on. Method: a pause that lasts until it is
  // cut short, so that the second batch is launched by nothing but the return of the first caller.
  @Test("whoever is answered and calls again is in the next batch, beside those who waited meanwhile")
  func regrouping() async throws {
    let (harness, gate) = try await gated(70_000, pause: Self.untilCutShort)
    let before = harness.ledger.commits
    await gate.close()
    async let returning: Void = {
      for number in [11, 12] {
        _ = try await harness.queue.perform(try harness.settle(1, hold: 0, of: .sample(number)))
      }
    }()
    while await !gate.isAwaited { await Task.yield() }
    async let waiting = harness.queue.perform(try harness.settle(1, hold: 0, of: .sample(13)))
    while await harness.queue.waitingCount < 1 { await Task.yield() }
    await gate.open()
    try await returning
    _ = try await waiting
    #expect(harness.ledger.commits - before == 2)
  }

  @Test("nobody is waited for who does not come, nor after a caller who is alone")
  func nobodyReturns() async throws {
    let (harness, gate) = try await gated(70_000)
    let before = harness.ledger.commits
    let settlements = try (0..<3).map { try harness.settle(1, hold: 0, of: .sample(100 + $0)) }
    let results = await together(harness, gate, settlements)
    #expect(results.allSatisfy { (try? $0.get()) != nil })
    #expect(harness.ledger.commits - before == 2)

    let (alone, _) = try await gated(70_000, pause: Self.untilCutShort)
    for number in 0..<3 { _ = try await alone.queue.perform(try alone.settle(1, hold: 0, of: .sample(100 + number))) }
  }

  // Goal: nobody waits for ever. Method: the lease is given back while a command is being looked up.
  @Test("a command that is being decided when the lease is given back is refused, not forgotten")
  func resigning() async throws {
    let (harness, gate) = try await gated(70_000)
    await gate.close()
    async let refusal = code { try await harness.queue.perform(try harness.settle(1, hold: 0)) }
    while await !gate.isAwaited { await Task.yield() }
    await harness.queue.resign()
    await gate.open()
    #expect(await refusal == .serviceUnavailable)
    #expect(harness.balances(harness.buyer) == [0, 0, 0])
  }

  @Test("a full queue refuses at once")
  func bounded() async throws {
    var bounds = QueueLimits()
    bounds.waitingMax = 1
    let books = InMemoryLedger()
    let gate = GatedStore(books)
    let harness = WalletHarness(ledger: books, bounds: bounds, store: gate)
    func open(_ number: Int) async throws {
      _ = try await harness.queue.perform(try EnsureWallet(owner: .sample(number), kind: .brand, actor: .system))
    }
    async let first: Void = open(1)
    while await !gate.isAwaited { await Task.yield() }
    async let second: Void = open(2)
    while await harness.queue.waitingCount < 1 { await Task.yield() }
    #expect(await code { try await open(3) } == .serviceUnavailable)
    await gate.open()
    try await first
    try await second
    #expect(books.books.wallets.count == 2)
  }
}

/// Lets one test send commands of several types through one generic door.
private enum AnyOrderCommand: LedgerCommand {
  case lock(LockOrderFunds)
  case settle(SettleOrderFunds)
  case release(ReleaseOrderFunds)

  var needs: LedgerNeeds {
    switch self {
    case .lock(let command): command.needs
    case .settle(let command): command.needs
    case .release(let command): command.needs
    }
  }

  func replay(in ledger: Ledger) throws(Failure) -> String? {
    switch self {
    case .lock(let command): try command.replay(in: ledger).map { "\($0.state)" }
    case .settle(let command): try command.replay(in: ledger)?.text
    case .release(let command): try command.replay(in: ledger).map { "\($0.state)" }
    }
  }

  func decide(on ledger: Ledger, _ context: DecisionContext) throws(Failure) -> Decision<String> {
    switch self {
    case .lock(let command): try command.decide(on: ledger, context).mapped { "\($0.state)" }
    case .settle(let command): try command.decide(on: ledger, context).mapped(\.text)
    case .release(let command): try command.decide(on: ledger, context).mapped { "\($0.state)" }
    }
  }
}

extension Decision {
  fileprivate func mapped<Other: Sendable>(_ transform: (Answer) -> Other) -> Decision<Other> {
    switch self {
    case .change(let change, let answer): .change(change, transform(answer))
    case .refusal(let change, let failure): .refusal(change, failure)
    }
  }
}

extension Result {
  fileprivate var failure: (any Error)? {
    if case .failure(let failure) = self { failure } else { nil }
  }
}
