internal import NIOCore

/// When to ask a silent peer for a sign of life, and when to give it up.
struct Keepalive {
  enum Action: Hashable {
    case none
    case ping
    case giveUp
  }

  private let configuration: KeepaliveConfiguration
  /// Since when the peer has been silent.
  private var silentSince: NIODeadline
  private var asked: NIODeadline?

  init(_ configuration: KeepaliveConfiguration, now: NIODeadline) {
    self.configuration = configuration
    silentSince = now
  }

  /// What to do now. `hasRead`: bytes have come since the last look. `isBusy`: the connection has streams.
  mutating func look(now: NIODeadline, hasRead: Bool, isBusy: Bool) -> Action {
    if hasRead {
      silentSince = now
      asked = nil
    }
    if let asked { return now - asked >= configuration.timeout ? .giveUp : .none }
    guard isBusy || configuration.permitsWithoutCalls else {
      silentSince = now  // Silence without calls is nothing to ask about; it counts from the first of them.
      return .none
    }
    guard now - silentSince >= configuration.time else { return .none }
    asked = now
    return .ping
  }
}

/// How many pings of a client have come too early.
struct PingStrikes {
  private var last: NIODeadline?
  private var strikes = 0

  /// Takes a ping; false when it is one too many. `hasSent`: HEADERS or DATA have gone out since the last one.
  mutating func mayPing(now: NIODeadline, hasSent: Bool, isBusy: Bool, _ policy: PingPolicy) -> Bool {
    defer { last = now }
    guard !hasSent, let last else {
      strikes = 0
      return true
    }
    let interval =
      isBusy || policy.permitsWithoutCalls ? policy.intervalMin : PingPolicy.intervalWithoutCalls
    if now - last < interval { strikes += 1 }
    return strikes <= policy.strikesMax
  }
}
