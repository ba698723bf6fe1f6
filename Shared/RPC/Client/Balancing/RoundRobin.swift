/// Sends the calls to all reachable addresses in turn.
struct RoundRobin: LoadBalancer {
  private var spread = Spread()
  /// Where the next turn begins. From a random place, so that clients that start together do not march in step.
  private var turn: Int

  init(turn: Int = .random(in: 0..<1_000)) {
    self.turn = turn
  }

  var state: ConnectivityState { spread.state }

  mutating func update(_ subchannels: [Subchannel.Member]) -> [BalancerStep] { spread.update(subchannels) }
  mutating func leaveIdle() -> [BalancerStep] { spread.leaveIdle() }

  mutating func changed(_ id: SubchannelID, to state: ConnectivityState) -> [BalancerStep] {
    spread.changed(id, to: state)
  }

  mutating func pick(_ load: (SubchannelID) -> Int?) -> SubchannelID? {
    let ready = spread.ready
    for offset in 0..<ready.count {
      let id = ready[(turn + offset) % ready.count]
      if load(id) != nil {
        turn = (turn + offset + 1) % ready.count
        return id
      }
    }
    return nil
  }
}
