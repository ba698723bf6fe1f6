import Kernel
import Synchronization

/// Where the books are written, and everybody who waits for that to change.
final class WriterWatch: Sendable {
  /// `turn` grows with every take-over that this process hears of, also when the place stays the same.
  struct Sight: Sendable {
    var place = WriterPlace.here
    var turn: UInt64 = 0
    /// How long the place is certain.
    var until: Deadline?
  }

  private struct State {
    var sight = Sight()
    var token: Int64?
    var waiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
    var lastWaiter: UInt64 = 0
  }

  private let state = Mutex(State())

  var sight: Sight { state.withLock { $0.sight } }

  /// What was found out about the lease; nil for the token means that nobody is known to hold it.
  func see(_ place: WriterPlace, token: Int64?, until: Deadline? = nil) {
    let waiters = state.withLock { state in
      state.sight.until = until
      guard state.sight.place != place || state.token != token else { return [CheckedContinuation<Void, Never>]() }
      state.sight.place = place
      state.token = token
      state.sight.turn += 1
      defer { state.waiters = [:] }
      return Array(state.waiters.values)
    }
    for waiter in waiters { waiter.resume() }
  }

  /// Returns when `turn` is no longer the current one, or the task is cancelled.
  func changed(since turn: UInt64) async {
    let id = state.withLock { state in
      state.lastWaiter += 1
      return state.lastWaiter
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isOver = state.withLock { state in
          guard state.sight.turn == turn, !Task.isCancelled else { return true }
          state.waiters[id] = continuation
          return false
        }
        if isOver { continuation.resume() }
      }
    } onCancel: {
      state.withLock { $0.waiters.removeValue(forKey: id) }?.resume()
    }
  }
}
