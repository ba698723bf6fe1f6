import Kernel
import Synchronization

/// When an attempt is worth another one (DOMAIN 0.4).
struct RetryPolicy: Sendable {
  let attemptsMax: Int
  let base: Duration
  let budget: RetryBudget

  /// The pause after the given attempt (from 1): base × 2^(attempt−1) ± 20 %. Nil when attempts, budget or the
  /// caller's time are used up.
  func pause(after attempt: Int, until deadline: Deadline?) -> Duration? {
    guard attempt < attemptsMax, budget.withdraw() else { return nil }
    let pause = base * (1 << min(attempt - 1, 16)) * Double.random(in: 0.8...1.2)
    if let deadline, deadline.remaining <= pause { return nil }
    return pause
  }
}

/// Bounds retries to a share of what succeeds, so that a struggling database is not asked three times as much.
final class RetryBudget: Sendable {
  private static let tokensMax = 200.0
  /// Ten successes pay for one retry.
  private static let tokensPerSuccess = 0.1

  private let tokens = Mutex(tokensMax)

  func withdraw() -> Bool {
    tokens.withLock { tokens in
      guard tokens >= 1 else { return false }
      tokens -= 1
      return true
    }
  }

  func deposit() {
    tokens.withLock { $0 = min(Self.tokensMax, $0 + Self.tokensPerSuccess) }
  }
}
