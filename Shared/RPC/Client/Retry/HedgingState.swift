/// Decides which further attempts of a hedged call are made, and when.
struct HedgingState {
  private let policy: HedgingPolicy
  /// Attempts begun, the first one included.
  private(set) var begun = 1
  private var transparentRetries = 0
  /// The server has asked for no further attempt.
  private var isStopped = false

  init(policy: HedgingPolicy) {
    self.policy = policy
  }

  /// When the next attempt is due after the last one began; nil if there is none.
  func delay(_ budget: RetryBudget?) -> Duration? {
    mayBegin(budget) ? policy.delay : nil
  }

  private func mayBegin(_ budget: RetryBudget?) -> Bool {
    !isStopped && begun < policy.attemptsMax && budget?.allowsRetries ?? true
  }

  /// The number of the next attempt, which begins now; nil if there is none.
  mutating func begin(_ budget: RetryBudget?) -> Int? {
    guard mayBegin(budget) else { return nil }
    begun += 1
    return begun
  }

  /// What follows a failure while so many other attempts are under way. An answer `.after` takes the place of the
  /// moment that `delay` named.
  mutating func next(
    after failure: AttemptFailure, othersUnderWay others: Int, _ budget: inout RetryBudget?
  ) -> NextAttempt {
    let status: RPCError
    switch failure {
    case .cancelled: return .none(failure.finalError)
    case .status(let error): status = error
    case .unprocessed(let error):
      if transparentRetries < Limits.transparentRetriesMax {
        transparentRetries += 1
        return .transparent
      }
      status = error
    }
    let isFatal = !policy.nonFatalCodes.contains(status.code)
    if !isFatal || status.pushback == .never { budget?.failed() }
    if isFatal { return .none(status) }
    var pause = Duration.zero
    switch status.pushback {
    case .never: isStopped = true
    case .after(let asked):
      if asked <= Limits.retryPushbackMax { pause = asked } else { isStopped = true }
    case nil: break
    }
    guard mayBegin(budget) else { return others > 0 ? .wait : .none(status) }
    return .after(pause)
  }
}
