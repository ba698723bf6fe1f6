/// The tokens that failures cost a channel (gRFC A6, "Throttling Retry Attempts and Hedged RPCs").
struct RetryBudget {
  private let max: Int
  private let gain: Int
  /// In thousandths of a token.
  private(set) var millitokens: Int

  init(_ throttling: RetryThrottling) {
    max = throttling.tokensMax * 1_000
    gain = throttling.successMillitokens
    millitokens = max
  }

  /// False while so much has failed that no call is sent again.
  var allowsRetries: Bool { millitokens > max / 2 }

  mutating func succeeded() {
    millitokens = min(millitokens + gain, max)
  }

  mutating func failed() {
    millitokens = Swift.max(millitokens - 1_000, 0)
  }

  private func min(_ left: Int, _ right: Int) -> Int { left < right ? left : right }
}
