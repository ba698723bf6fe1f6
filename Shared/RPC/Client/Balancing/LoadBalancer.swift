/// Names an address of a channel for as long as the channel has it.
struct SubchannelID: Hashable, Sendable {
  let number: Int
}

/// What a balancer wants its channel to do.
enum BalancerStep: Hashable, Sendable {
  /// Begin to connect, if the address is idle.
  case connect(SubchannelID)
  /// Close the connection: another one is used.
  case disconnect(SubchannelID)
  /// Call `delayPassed` after the connection attempt delay.
  case startDelay
  case stopDelay
  /// The addresses may be out of date.
  case resolve
}

/// Decides to which addresses a channel connects and which of them takes the next call. A state machine: it is told
/// what happened, and answers with what to do.
protocol LoadBalancer {
  /// What the channel as a whole can do for a call.
  var state: ConnectivityState { get }

  /// The target's addresses, in their order. Those that are new are idle.
  mutating func update(_ subchannels: [Subchannel.Member]) -> [BalancerStep]

  mutating func changed(_ id: SubchannelID, to state: ConnectivityState) -> [BalancerStep]

  /// A call needs a connection.
  mutating func leaveIdle() -> [BalancerStep]

  mutating func delayPassed() -> [BalancerStep]

  /// The address for the next call; nil if none can take it now. `load` says how many calls an address has under way,
  /// nil if it has no room for another one.
  mutating func pick(_ load: (SubchannelID) -> Int?) -> SubchannelID?
}

extension LoadBalancer {
  mutating func delayPassed() -> [BalancerStep] { [] }
}

extension LoadBalancing {
  /// A balancer of this kind, for a channel that is idle.
  func makeBalancer() -> any LoadBalancer {
    switch policy {
    case .pickFirst(let shuffles): PickFirst(shuffles: shuffles)
    case .roundRobin: RoundRobin()
    case .leastRequest(let choices): LeastRequest(choices: choices)
    }
  }
}
