import Kernel
import Testing

@testable import RPC

extension NextAttempt {
  /// For comparisons: `none CODE`, `transparent`, `wait` or the pause.
  var text: String {
    switch self {
    case .none(let error): "none \((error as? RPCError)?.code.description ?? "\(type(of: error))")"
    case .transparent: "transparent"
    case .after(let pause): "\(pause.milliseconds) ms"
    case .wait: "wait"
    }
  }
}

extension AttemptFailure {
  static func code(_ code: StatusCode, _ pushback: RetryPushback? = nil) -> AttemptFailure {
    .status(RPCError(code, "", pushback: pushback))
  }
  static let refused = AttemptFailure.unprocessed(RPCError(.unavailable, ""))
}

@Suite("Further attempts of a call")
struct RetryTests {
  private func next(
    after failures: [AttemptFailure], _ policy: RetryPolicy = .standard, deadline: Deadline? = nil,
    budget: RetryThrottling? = nil, spread: Double = 0
  ) -> [String] {
    var state = RetryState(policy: policy, deadline: deadline, spread: { spread })
    var budget = budget.map { RetryBudget($0) }
    return failures.map { state.next(after: $0, &budget).text }
  }

  @Test("three attempts are made, 100 and 200 milliseconds apart")
  func standard() {
    let both = [AttemptFailure.code(.unavailable), .code(.deadlineExceeded), .code(.unavailable)]
    #expect(next(after: both) == ["100 ms", "200 ms", "none UNAVAILABLE"])
    #expect(next(after: both, spread: 1) == ["120 ms", "240 ms", "none UNAVAILABLE"])
    #expect(next(after: both, spread: -1) == ["80 ms", "160 ms", "none UNAVAILABLE"])
  }

  @Test("the pauses of a policy grow by its factor up to its longest, after its codes")
  func policy() {
    let policy = RetryPolicy(
      attemptsMax: 5, pause: .milliseconds(10), multiplier: 3, pauseMax: .milliseconds(50),
      retryableCodes: [.aborted])
    let failures = Array(repeating: AttemptFailure.code(.aborted), count: 5)
    #expect(next(after: failures, policy) == ["10 ms", "30 ms", "50 ms", "50 ms", "none ABORTED"])
    #expect(next(after: [.code(.unavailable)], policy) == ["none UNAVAILABLE"])
  }

  @Test("a caller whose attempts have run out hears that more are useless")
  func exhaustion() throws {
    var state = RetryState(policy: .standard, deadline: nil, spread: { 0 })
    var budget: RetryBudget?
    for _ in 1...2 { _ = state.next(after: .code(.unavailable), &budget) }
    guard case .none(let error) = state.next(after: .code(.unavailable), &budget) else {
      Issue.record("a fourth attempt")
      return
    }
    let last = try #require(error as? RPCError)
    #expect(last.pushback == .never)
    #expect(Failure(last).retriesExhausted)
  }

  @Test("business errors, pushback and the deadline end the attempts")
  func noRetries() {
    #expect(next(after: [.code(.failedPrecondition)]) == ["none FAILED_PRECONDITION"])
    #expect(next(after: [.code(.aborted)]) == ["none ABORTED"])
    #expect(next(after: [.code(.unavailable, .never)]) == ["none UNAVAILABLE"])
    #expect(next(after: [.code(.unavailable)], deadline: .after(.milliseconds(99))) == ["none UNAVAILABLE"])
    #expect(next(after: [.code(.unavailable)], .none) == ["none UNAVAILABLE"])
    #expect(next(after: [.cancelled]) == ["none CancellationError"])
  }

  @Test("a server may say when the next attempt is made, up to half a minute from now")
  func pushback() {
    #expect(next(after: [.code(.unavailable, .after(.milliseconds(7)))]) == ["7 ms"])
    #expect(next(after: [.code(.unavailable, .after(.seconds(30)))]) == ["30000 ms"])
    #expect(next(after: [.code(.unavailable, .after(.milliseconds(30_001)))]) == ["none UNAVAILABLE"])
  }

  @Test("a stream that was never processed is sent again at once, twice at most, and is no attempt")
  func transparentRetries() {
    let failures = Array(repeating: AttemptFailure.refused, count: 3)
    #expect(next(after: failures, .none) == ["transparent", "transparent", "none UNAVAILABLE"])
    var state = RetryState(policy: .standard, deadline: nil)
    var budget: RetryBudget?
    _ = state.next(after: .refused, &budget)
    #expect(state.attempt == 1)
  }

  // Goal: half of the tokens, exactly. Method: ten tokens, one success worth half of one.
  @Test("the budget allows retries while more than half of it is left")
  func budget() {
    var budget = RetryBudget(RetryThrottling(tokensMax: 10, successMillitokens: 500))
    for _ in 1...4 { budget.failed() }
    #expect(budget.allowsRetries)
    budget.failed()
    #expect(!budget.allowsRetries)
    budget.succeeded()
    #expect(budget.allowsRetries)
    for _ in 1...50 { budget.failed() }
    #expect(budget.millitokens == 0)
    for _ in 1...50 { budget.succeeded() }
    #expect(budget.millitokens == 10_000)
  }

  @Test("failures that a retry is for, and pushback, cost budget; others do not")
  func budgetCosts() {
    func tokens(after failure: AttemptFailure) -> Int {
      var state = RetryState(policy: .standard, deadline: nil)
      var budget: RetryBudget? = RetryBudget(RetryThrottling(tokensMax: 10, successMillitokens: 500))
      _ = state.next(after: failure, &budget)
      return budget?.millitokens ?? 0
    }
    #expect(tokens(after: .code(.unavailable)) == 9_000)
    #expect(tokens(after: .code(.notFound)) == 10_000)
    #expect(tokens(after: .code(.notFound, .never)) == 9_000)
    #expect(tokens(after: .refused) == 10_000)
    let two = RetryThrottling(tokensMax: 2, successMillitokens: 1)
    #expect(next(after: [.code(.unavailable)], budget: two) == ["none UNAVAILABLE"])
  }

  // MARK: Hedging

  private static let hedging = HedgingPolicy(attemptsMax: 3, delay: .milliseconds(10))

  @Test("a hedged call begins as many attempts as its policy has, and no more")
  func hedges() {
    var state = HedgingState(policy: Self.hedging)
    #expect(state.delay(nil) == .milliseconds(10))
    #expect(state.begin(nil) == 2)
    #expect(state.begin(nil) == 3)
    #expect(state.begin(nil) == nil)
    #expect(state.delay(nil) == nil)
  }

  @Test("after a failure that is not fatal the next hedge begins at once; a fatal one ends the call")
  func hedgeFailures() {
    var state = HedgingState(policy: Self.hedging)
    var budget: RetryBudget?
    #expect(state.next(after: .code(.unavailable), othersUnderWay: 0, &budget).text == "0 ms")
    _ = state.begin(nil)
    #expect(state.next(after: .code(.notFound), othersUnderWay: 1, &budget).text == "none NOT_FOUND")
    _ = state.begin(nil)
    #expect(state.next(after: .code(.unavailable), othersUnderWay: 1, &budget).text == "wait")
    #expect(state.next(after: .code(.unavailable), othersUnderWay: 0, &budget).text == "none UNAVAILABLE")
  }

  @Test("a server may stop hedging, or delay it")
  func hedgePushback() {
    var state = HedgingState(policy: Self.hedging)
    var budget: RetryBudget?
    let later = AttemptFailure.code(.unavailable, .after(.milliseconds(40)))
    #expect(state.next(after: later, othersUnderWay: 0, &budget).text == "40 ms")
    #expect(state.next(after: .code(.unavailable, .never), othersUnderWay: 1, &budget).text == "wait")
    #expect(state.begin(nil) == nil)
  }

  @Test("an exhausted budget ends hedging")
  func hedgeBudget() {
    var state = HedgingState(policy: Self.hedging)
    var budget: RetryBudget? = RetryBudget(RetryThrottling(tokensMax: 2, successMillitokens: 1))
    #expect(state.next(after: .code(.unavailable), othersUnderWay: 0, &budget).text == "none UNAVAILABLE")
    #expect(state.begin(budget) == nil)
  }

  // MARK: Pauses of connections

  @Test("connection pauses grow by 1.6 up to two minutes")
  func connectionBackoff() {
    let backoff = ConnectionBackoff.standard
    #expect(backoff.pause(afterFailures: 1, spread: 0) == .seconds(1))
    #expect(backoff.pause(afterFailures: 2, spread: 0) == .milliseconds(1_600))
    #expect(backoff.pause(afterFailures: 50, spread: 0) == .seconds(120))
    #expect(backoff.pause(afterFailures: 50, spread: -1) == .seconds(96))
    #expect(backoff.pause(afterFailures: 50, spread: 1) == .seconds(144))
    #expect(backoff.promptSpacing == nil)
  }
}
