import Synchronization

/// Where every call to the store waits until the simulation lets it through: one at a time, in an order that a seed
/// decides. So a run of several processes is the same each time, however the machine schedules its threads.
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
    var visitors: [Visitor] = []
    /// Requests that each process has taken and not answered.
    var unanswered: [Int: Int] = [:]
    var dead: Set<Int> = []
    /// Whoever waits until nothing moves.
    var watcher: CheckedContinuation<Void, Never>?

    /// Every process stands here or has nothing to do.
    var isQuiet: Bool {
      unanswered.allSatisfy { process, count in count == 0 || visitors.contains { $0.process == process } }
    }

    mutating func takeWatcherIfQuiet() -> CheckedContinuation<Void, Never>? {
      guard isQuiet else { return nil }
      defer { watcher = nil }
      return watcher
    }
  }

  private let state = Mutex(State())

  /// Called by a process before each of its calls.
  func pass(_ process: Int) async -> Passage {
    await withCheckedContinuation { continuation in
      let (isDead, watcher) = state.withLock { state in
        guard !state.dead.contains(process) else { return (true, nil as CheckedContinuation<Void, Never>?) }
        state.visitors.append(Visitor(process: process, continuation: continuation))
        return (false, state.takeWatcherIfQuiet())
      }
      if isDead { continuation.resume(returning: .refused) }
      watcher?.resume()
    }
  }

  func requestSent(to process: Int) {
    state.withLock { $0.unanswered[process, default: 0] += 1 }
  }

  func requestAnswered(by process: Int) {
    state.withLock { state in
      state.unanswered[process, default: 0] -= 1
      return state.takeWatcherIfQuiet()
    }?.resume()
  }

  /// It has answered everything that it was sent.
  func isIdle(_ process: Int) -> Bool {
    state.withLock { $0.unanswered[process, default: 0] == 0 }
  }

  func quiet() async {
    await withCheckedContinuation { continuation in
      state.withLock { state in
        precondition(state.watcher == nil, "there is one scheduler")
        state.watcher = continuation
        return state.takeWatcherIfQuiet()
      }?.resume()
    }
  }

  /// The processes that stand here, each once, in ascending order. Means something while all is quiet.
  var standing: [Int] {
    state.withLock { Set($0.visitors.map(\.process)).sorted() }
  }

  func letThrough(_ process: Int) {
    state.withLock { state in
      state.visitors.firstIndex { $0.process == process }.map { state.visitors.remove(at: $0) }
    }?.continuation.resume(returning: .through)
  }

  /// From now on nothing that the process asks for happens.
  func bury(_ process: Int) {
    let visitors = state.withLock { state in
      state.dead.insert(process)
      defer { state.visitors.removeAll { $0.process == process } }
      return state.visitors.filter { $0.process == process }
    }
    for visitor in visitors { visitor.continuation.resume(returning: .refused) }
  }
}
