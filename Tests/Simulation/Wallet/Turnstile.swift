import Synchronization

/// Where every call to the store waits until the simulation lets it through, one at a time, in an order that a seed
/// decides; and where those wait who would sleep.
final class Turnstile: Sendable {
  enum Passage: Sendable {
    case through
    /// The process has died: nothing that it asks for happens any more.
    case refused
  }

  private struct Visitor {
    let process: Int
    let continuation: CheckedContinuation<Passage, Never>
  }

  private struct State {
    var calls: [Visitor] = []
    var naps: [Visitor] = []
    var dead: Set<Int> = []
  }

  private let state = Mutex(State())

  /// Called by a process before each of its calls.
  func pass(_ process: Int) async -> Passage {
    await withCheckedContinuation { continuation in
      let isDead = state.withLock { state in
        guard !state.dead.contains(process) else { return true }
        state.calls.append(Visitor(process: process, continuation: continuation))
        return false
      }
      if isDead { continuation.resume(returning: .refused) }
    }
  }

  /// Called by a process that waits for time to pass.
  func nap(_ process: Int) async {
    _ = await withCheckedContinuation { continuation in
      state.withLock { $0.naps.append(Visitor(process: process, continuation: continuation)) }
    }
  }

  /// The process of each call that waits, in order of arrival. Means something while all is quiet.
  var standing: [Int] { state.withLock { $0.calls.map(\.process) } }

  /// Lets the call at this place in `standing` through.
  func letThrough(_ index: Int) {
    let visitor = state.withLock { $0.calls.remove(at: index) }
    visitor.continuation.resume(returning: .through)
  }

  func wake(_ process: Int) {
    let visitors = state.withLock { state in
      defer { state.naps.removeAll { $0.process == process } }
      return state.naps.filter { $0.process == process }
    }
    for visitor in visitors { visitor.continuation.resume(returning: .through) }
  }

  /// From now on nothing that the process asks for happens.
  func bury(_ process: Int) {
    let visitors = state.withLock { state in
      state.dead.insert(process)
      defer { state.calls.removeAll { $0.process == process } }
      return state.calls.filter { $0.process == process }
    }
    for visitor in visitors { visitor.continuation.resume(returning: .refused) }
  }
}
