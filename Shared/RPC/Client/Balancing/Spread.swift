/// What the balancers have in common that use every address: they keep all of them connected, and are as ready as the
/// best of them.
struct Spread {
  private(set) var order: [SubchannelID] = []
  private var states: [SubchannelID: ConnectivityState] = [:]
  /// Addresses that failed and have not been ready since: connecting again does not make them better.
  private var failing: Set<SubchannelID> = []
  private(set) var state = ConnectivityState.idle
  /// Those that are ready, in order.
  private(set) var ready: [SubchannelID] = []
  /// A channel that nobody has used connects to nothing.
  private var isStarted = false

  mutating func update(_ subchannels: [Subchannel.Member]) -> [BalancerStep] {
    order = subchannels.map(\.id)
    let known = states
    states = Dictionary(order.map { ($0, known[$0] ?? .idle) }, uniquingKeysWith: { first, _ in first })
    failing.formIntersection(order)
    settle()
    return isStarted ? connectIdle() : []
  }

  mutating func leaveIdle() -> [BalancerStep] {
    guard !isStarted else { return [] }
    isStarted = true
    settle()
    return connectIdle()
  }

  private func connectIdle() -> [BalancerStep] {
    order.filter { states[$0] == .idle }.map { .connect($0) }
  }

  mutating func changed(_ id: SubchannelID, to new: ConnectivityState) -> [BalancerStep] {
    guard let old = states[id] else { return [] }
    states[id] = new
    var steps: [BalancerStep] = []
    switch new {
    case .ready: failing.remove(id)
    case .transientFailure:
      failing.insert(id)
      steps = [.resolve]
    case .idle:
      if old == .ready { steps = [.resolve] }
      if isStarted { steps.append(.connect(id)) }
    case .connecting, .shutdown: break
    }
    settle()
    return steps
  }

  private mutating func settle() {
    ready = order.filter { states[$0] == .ready }
    if !isStarted {
      state = .idle
    } else if !ready.isEmpty {
      state = .ready
    } else {
      state = order.contains { !failing.contains($0) } ? .connecting : .transientFailure
    }
  }
}
