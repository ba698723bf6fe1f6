internal import Synchronization

/// The state of a channel, for those who watch it.
final class ConnectivityStates: Sendable {
  private struct State {
    var current = ConnectivityState.idle
    var lastWatcher = 0
    var watchers: [Int: AsyncStream<ConnectivityState>.Continuation] = [:]
  }

  private let state = Mutex(State())

  var current: ConnectivityState { state.withLock { $0.current } }

  /// Tells the watchers, if it is news.
  func become(_ new: ConnectivityState) {
    let watchers = state.withLock { state -> [AsyncStream<ConnectivityState>.Continuation] in
      guard state.current != new, state.current != .shutdown else { return [] }
      state.current = new
      defer { if new == .shutdown { state.watchers = [:] } }
      return Array(state.watchers.values)
    }
    for watcher in watchers {
      watcher.yield(new)
      if new == .shutdown { watcher.finish() }
    }
  }

  /// The current state and those that follow, up to SHUTDOWN. A watcher that is slow misses those between.
  func watch() -> AsyncStream<ConnectivityState> {
    let (stream, continuation) = AsyncStream.makeStream(
      of: ConnectivityState.self, bufferingPolicy: .bufferingNewest(1))
    let (current, number) = state.withLock { state in
      state.lastWatcher += 1
      if state.current != .shutdown { state.watchers[state.lastWatcher] = continuation }
      return (state.current, state.lastWatcher)
    }
    continuation.yield(current)
    if current == .shutdown { continuation.finish() }
    continuation.onTermination = { _ in _ = self.state.withLock { $0.watchers.removeValue(forKey: number) } }
    return stream
  }
}
