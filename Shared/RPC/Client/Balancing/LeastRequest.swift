/// Sends each call to the least busy of a few random addresses: "the power of two choices" (gRFC A48). It needs to
/// look at two addresses only, and clients that choose independently do not all choose the same one.
struct LeastRequest: LoadBalancer {
  private var spread = Spread()
  private let choices: Int
  private let random: (Int) -> Int

  /// `random` is asked for numbers from 0 to below its argument.
  init(choices: Int, random: @escaping (Int) -> Int = { .random(in: 0..<$0) }) {
    self.choices = choices
    self.random = random
  }

  var state: ConnectivityState { spread.state }

  mutating func update(_ subchannels: [Subchannel.Member]) -> [BalancerStep] { spread.update(subchannels) }
  mutating func leaveIdle() -> [BalancerStep] { spread.leaveIdle() }

  mutating func changed(_ id: SubchannelID, to state: ConnectivityState) -> [BalancerStep] {
    spread.changed(id, to: state)
  }

  mutating func pick(_ load: (SubchannelID) -> Int?) -> SubchannelID? {
    let ready = spread.ready
    guard !ready.isEmpty else { return nil }
    var best: (id: SubchannelID, load: Int)?
    for _ in 0..<choices {
      let id = ready[random(ready.count)]
      guard let load = load(id) else { continue }
      if load < best?.load ?? .max { best = (id, load) }
    }
    // All of the choice are full; somebody else may not be.
    return best?.id ?? ready.first { load($0) != nil }
  }
}
