internal import Kernel

/// What follows a failed attempt.
enum NextAttempt {
  /// The call has failed.
  case none(any Error)
  /// At once, and nobody notices: the server has done nothing.
  case transparent
  case after(Duration)
  /// Nothing yet: other attempts are under way.
  case wait
}

/// Decides, after each failed attempt, whether and when there is another one.
struct RetryState {
  private let policy: RetryPolicy
  private let deadline: Deadline?
  /// The number of the running attempt, from 1.
  private(set) var attempt = 1
  private var transparentRetries = 0
  private let spread: () -> Double

  /// `spread` is asked for numbers from -1 to 1.
  init(policy: RetryPolicy, deadline: Deadline?, spread: @escaping () -> Double = { .random(in: -1...1) }) {
    self.policy = policy
    self.deadline = deadline
    self.spread = spread
  }

  /// Counts the failure against the budget, if it is of the kind that a retry is for.
  mutating func next(after failure: AttemptFailure, _ budget: inout RetryBudget?) -> NextAttempt {
    var status: RPCError
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
    let isRetryable = policy.retryableCodes.contains(status.code)
    if isRetryable || status.pushback == .never { budget?.failed() }
    guard isRetryable, policy.attemptsMax > 1 else { return .none(status) }
    guard attempt < policy.attemptsMax else {
      // Whoever called us must not make these attempts three times over.
      status.pushback = .never
      return .none(status)
    }
    let pause: Duration
    switch status.pushback {
    case .never: return .none(status)
    case .after(let asked):
      guard asked <= Limits.retryPushbackMax else { return .none(status) }
      pause = asked
    case nil: pause = policy.pause(afterAttempt: attempt, spread: spread())
    }
    if let deadline, deadline.remaining <= pause { return .none(status) }
    guard budget?.allowsRetries ?? true else { return .none(status) }
    attempt += 1
    return .after(pause)
  }
}
