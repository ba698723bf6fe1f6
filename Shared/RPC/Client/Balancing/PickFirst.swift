/// Connects to the addresses in order and sends every call to the first one that could be reached (gRFC A62).
///
/// The next address is tried when one fails or takes longer than the connection attempt delay, while the earlier ones
/// go on trying (RFC 8305, "Happy Eyeballs"; gRFC A61). When all have failed, each is tried again after its own pause
/// until one can be reached.
///
///     idle ──a call──▶ connecting ──the first is ready──▶ ready ──it is lost──▶ idle
///                          │                                ▲
///                          └──all failed──▶ failed ─────────┘
struct PickFirst: LoadBalancer {
  private(set) var state = ConnectivityState.idle
  private let shuffles: Bool
  private var order: [SubchannelID] = []
  private var states: [SubchannelID: ConnectivityState] = [:]
  private var selected: SubchannelID?
  /// Addresses that failed in this round.
  private var failed: Set<SubchannelID> = []
  /// How far in `order` this round has come.
  private var position = 0
  private var isDelayed = false

  init(shuffles: Bool) {
    self.shuffles = shuffles
  }

  mutating func update(_ subchannels: [Subchannel.Member]) -> [BalancerStep] {
    let interleaved = PickFirst.interleaved(shuffles ? subchannels.shuffled() : subchannels)
    order = interleaved.map(\.id)
    let known = states
    states = Dictionary(order.map { ($0, known[$0] ?? .idle) }, uniquingKeysWith: { first, _ in first })
    failed.formIntersection(order)
    if let selected, states[selected] == .ready { return [] }
    selected = nil
    switch state {
    case .idle, .shutdown: return []
    case .ready:
      state = .idle
      return [.resolve]
    case .connecting, .transientFailure:
      let wasFailing = state == .transientFailure
      return beginRound(wasFailing ? .transientFailure : .connecting)
    }
  }

  /// Families take turns, beginning with that of the first address: a broken one delays only by the delay.
  private static func interleaved(_ members: [Subchannel.Member]) -> [Subchannel.Member] {
    guard let family = members.first?.isIPv6 else { return members }
    let (same, other) = (members.filter { $0.isIPv6 == family }, members.filter { $0.isIPv6 != family })
    var result: [Subchannel.Member] = []
    for index in 0..<max(same.count, other.count) {
      if index < same.count { result.append(same[index]) }
      if index < other.count { result.append(other[index]) }
    }
    return result
  }

  mutating func leaveIdle() -> [BalancerStep] {
    state == .idle && !order.isEmpty ? beginRound(.connecting) : []
  }

  private mutating func beginRound(_ state: ConnectivityState) -> [BalancerStep] {
    self.state = state
    position = 0
    failed = []
    return tryNext()
  }

  /// Connects to the next address that is idle.
  private mutating func tryNext() -> [BalancerStep] {
    while position < order.count {
      let id = order[position]
      position += 1
      switch states[id] {
      case .idle: return [.connect(id)] + startDelay()
      case .connecting: return startDelay()
      case .transientFailure: failed.insert(id)  // Its pause is not over; what it said last still holds.
      case .ready: return select(id)
      case .shutdown, nil: break
      }
    }
    return stopDelay() + endRoundIfAllFailed()
  }

  private mutating func startDelay() -> [BalancerStep] {
    guard position < order.count else { return stopDelay() }
    isDelayed = true
    return [.startDelay]
  }

  private mutating func stopDelay() -> [BalancerStep] {
    guard isDelayed else { return [] }
    isDelayed = false
    return [.stopDelay]
  }

  private mutating func endRoundIfAllFailed() -> [BalancerStep] {
    guard state == .connecting, failed.count == order.count else { return [] }
    state = .transientFailure
    // Those whose pause ended during the round have waited for this.
    return [.resolve] + order.filter { states[$0] == .idle }.map { .connect($0) }
  }

  mutating func delayPassed() -> [BalancerStep] {
    guard isDelayed else { return [] }
    isDelayed = false
    return tryNext()
  }

  mutating func changed(_ id: SubchannelID, to new: ConnectivityState) -> [BalancerStep] {
    guard states[id] != nil else { return [] }
    states[id] = new
    if id == selected { return new == .ready ? [] : lostSelected() }
    switch new {
    case .ready: return state == .idle ? [] : select(id)
    case .transientFailure where state == .connecting:
      failed.insert(id)
      return tryNext()
    // Its pause is over. In a round it is tried when its turn comes; behind a failed one, at once.
    case .idle where state == .transientFailure: return [.connect(id)]
    default: return []
    }
  }

  private mutating func select(_ id: SubchannelID) -> [BalancerStep] {
    selected = id
    state = .ready
    failed = []
    return stopDelay() + order.filter { $0 != id && states[$0] != .idle }.map { .disconnect($0) }
  }

  private mutating func lostSelected() -> [BalancerStep] {
    selected = nil
    state = .idle
    return [.resolve]
  }

  mutating func pick(_ load: (SubchannelID) -> Int?) -> SubchannelID? {
    guard let selected, load(selected) != nil else { return nil }
    return selected
  }
}
