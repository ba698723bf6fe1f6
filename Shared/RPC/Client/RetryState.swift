internal import Kernel

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

  /// How long to pause before the next attempt, nil for not at all; throws the error of the call if it was the last.
  mutating func pause(after error: any Error) throws -> Duration? {
    var status: RPCError
    switch error as? AttemptFailure {
    case .cancelled: throw CancellationError()
    case .status(let error): status = error
    case .unprocessed(let error):
      if transparentRetries < Limits.transparentRetriesMax {
        transparentRetries += 1
        return nil
      }
      status = error
    case nil: throw error
    }
    guard RetryState.isRetryable(status.code), policy.attemptsMax > 1 else { throw status }
    guard attempt < policy.attemptsMax else {
      // Whoever called us must not make these attempts three times over.
      status.pushback = .never
      throw status
    }
    let pause: Duration
    switch status.pushback {
    case .never: throw status
    case .after(let asked):
      guard asked <= Limits.retryPushbackMax else { throw status }
      pause = asked
    case nil: pause = policy.pause * (1 << (attempt - 1)) * (1 + RetryState.jitter * spread())
    }
    if let deadline, deadline.remaining <= pause { throw status }
    attempt += 1
    return pause
  }

  private static func isRetryable(_ code: StatusCode) -> Bool {
    code == .unavailable || code == .deadlineExceeded
  }

  /// ± 20 %, so that callers that failed together do not come back together.
  private static let jitter = 0.2
}
