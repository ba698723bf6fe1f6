import Kernel
import Testing
import WalletDomain
import WalletMemory

@Suite("Deposits")
struct DepositTests {
  @Test(
    "an amount is at least one paisa and at most the limit",
    arguments: [
      (.min, .invalidAmount), (-1, .invalidAmount), (0, .invalidAmount), (1, nil), (1_000_000_000, nil),
      (1_000_000_001, .amountOutOfRange), (.max, .amountOutOfRange),
    ] as [(Int64, ErrorCode?)])
  func amounts(paise: Int64, refusal: ErrorCode?) async throws {
    let harness = try await WalletHarness.funded(0)
    #expect(await code { try await harness.deposit(paise, ref: "r") } == refusal)
  }

  @Test("a deposit is two legs: out of the world, into the wallet")
  func legs() async throws {
    let harness = WalletHarness()
    let outcome = try await harness.deposit(700, ref: "UTR 1")
    let answer = try #require(outcome.answer)
    #expect(answer.wallet?.kind == .brand && answer.wallet?.version == 1)
    #expect(answer.wallet?.balances.available == Money(paise: 700))
    #expect(answer.row.idempotencyKey == "brand_deposit:\(harness.owner):UTR 1#2")
    #expect(answer.row.leg.metadata == ["ref": "UTR 1"])
    let rows = harness.rows("brand_deposit:\(harness.owner):UTR 1")
    #expect(rows.map(\.account) == [.external, answer.row.account])
    #expect(harness.ledger.books.contradictions == [])
  }

  @Test("two spellings of one letter are two references, as they are in the database")
  func spellings() {
    let composed = PostingKey(stored: "brand_deposit:x:\u{e9}")
    let decomposed = PostingKey(stored: "brand_deposit:x:e\u{301}")
    #expect(composed != decomposed && Set([composed, decomposed]).count == 2)
    #expect(composed < decomposed || decomposed < composed)
  }

  @Test("a reference counts once per owner, for ever")
  func reference() async throws {
    let harness = try await WalletHarness.funded(0)
    let first = try await harness.deposit(700, ref: "A")
    harness.clock.advance(by: .seconds(60 * 60 * 24 * 365))
    let second = try await harness.deposit(700, ref: "A")
    #expect(!first.isReplay && second.isReplay && first.answer?.row == second.answer?.row)
    #expect(await code { try await harness.deposit(701, ref: "A") } == .idempotencyMismatch)
    #expect(try await !harness.deposit(700, ref: "A", to: .sample(7)).isReplay)
    #expect(harness.balances(harness.owner) == [700, 0, 0])
  }

  @Test("a repetition is answered also when the wallet was closed meanwhile")
  func closedSince() async throws {
    let harness = try await WalletHarness.funded(0)
    let first = try await harness.deposit(700, ref: "A")
    try await harness.drain(harness.owner)
    _ = try await harness.queue.perform(try CloseWallet(owner: harness.owner, actor: .system))
    let second = try await harness.deposit(700, ref: "A")
    #expect(second.isReplay && second.answer?.row == first.answer?.row && second.answer?.wallet == nil)
    #expect(await code { try await harness.deposit(701, ref: "A") } == .idempotencyMismatch)
    #expect(harness.ledger.books.wallet(of: harness.owner) == nil, "a repetition opens nothing")
  }

  @Test(
    "the ceiling counts what is available",
    arguments: [(400, nil), (401, .balanceLimitExceeded)] as [(Int64, ErrorCode?)])
  func ceiling(paise: Int64, refusal: ErrorCode?) async throws {
    let harness = try await WalletHarness.funded(600, limits: WalletLimits(businessBalanceMax: Money(paise: 1_000)))
    #expect(await code { try await harness.deposit(paise, ref: "more") } == refusal)
  }

  @Test("a request id returns the stored response, and forbids another request")
  func requestID() async throws {
    let harness = try await WalletHarness.funded(0)
    let key = RequestKey(caller: "c", rpc: "Deposit", requestID: "1")
    func record(_ fingerprint: UInt8) -> RequestRecord<Deposit.Answer> {
      RequestRecord(key: key, fingerprint: [fingerprint]) { Array("\($0.row.leg.amount.paise)".utf8) }
    }
    func deposit(_ paise: Int64, ref: String) throws -> Deposit {
      try Deposit(
        owner: harness.owner, amount: Money(paise: paise), ref: ref, actor: .system, limits: harness.limits)
    }
    _ = try await harness.queue.perform(try deposit(5, ref: "A"), for: record(1))
    guard case .stored(let response) = try await harness.queue.perform(try deposit(5, ref: "A"), for: record(1)) else {
      Issue.record("the request was not recognised")
      return
    }
    #expect(response == Array("5".utf8))
    let other = try deposit(6, ref: "B")
    #expect(await code { try await harness.queue.perform(other, for: record(2)) } == .idempotencyMismatch)
    #expect(harness.balances(harness.owner) == [5, 0, 0])
    #expect(try await harness.queue.replay(of: try deposit(5, ref: "A"), for: record(1))?.isReplay == true)
    #expect(try await harness.queue.replay(of: other) == nil)
  }

  @Test("without a wallet, and nothing known about the owner, there is nowhere to put the money")
  func unknownOwner() async throws {
    let harness = WalletHarness()
    let deposit = try Deposit(
      owner: harness.owner, amount: Money(paise: 1), ref: "A", actor: .system, limits: harness.limits)
    #expect(await code { try await harness.queue.perform(deposit) } == .walletNotFound)
  }

  @Test("the platform's wallet belongs to nobody else")
  func platform() {
    #expect(throws: Failure.self) { try EnsureWallet(owner: .sample(1), kind: .platform, actor: .system) }
    #expect(throws: Failure.self) { try EnsureWallet(owner: .platform, kind: .brand, actor: .system) }
    #expect(throws: Never.self) { try EnsureWallet(owner: .platform, kind: .platform, actor: .system) }
  }
}
