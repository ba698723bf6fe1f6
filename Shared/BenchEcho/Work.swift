import Synchronization

/// Stands in for what real handlers do: wait for something of which there is not enough, and keep it for a while.
/// So many places of so long a stay answer a known number of calls per second, and no more.
final class Work: Sendable {
  private typealias Waiter = (number: Int, continuation: CheckedContinuation<Bool, Never>)

  private struct State {
    var free: Int
    var waiting: [Waiter] = []
    var cancelled: Set<Int> = []
    var numbers = 0
  }

  private let stay: Duration
  private let spin: Duration
  private let state: Mutex<State>

  /// - Parameters:
  ///   - places: how many calls work at a time; without a bound if 0.
  ///   - stay: for how long each keeps its place.
  ///   - spin: for how long each computes before that, and keeps its thread from everything else.
  init(places: Int, stay: Duration, spin: Duration) {
    self.stay = stay
    self.spin = spin
    state = Mutex(State(free: places == 0 ? .max : places))
  }

  /// False if calls are answered at once.
  var isNeeded: Bool { stay > .zero || spin > .zero }

  /// Returns when the work is done; throws when the call is cancelled meanwhile.
  func run() async throws {
    if spin > .zero {
      let end = ContinuousClock.now + spin
      while ContinuousClock.now < end {}
    }
    guard stay > .zero else { return }
    guard await takePlace() else { throw CancellationError() }
    defer { giveBack() }
    try await Task.sleep(for: stay)
  }

  /// False if the call was cancelled before it got a place.
  private func takePlace() async -> Bool {
    let number = state.withLock { state in
      state.numbers += 1
      return state.numbers
    }
    let hasPlace = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let answer: Bool? = state.withLock { state in
          if state.cancelled.remove(number) != nil { return false }
          guard state.free == 0 else {
            state.free -= 1
            return true
          }
          state.waiting.append((number, continuation))
          return nil
        }
        if let answer { continuation.resume(returning: answer) }
      }
    } onCancel: {
      let waiter: Waiter? = state.withLock { state in
        guard let place = state.waiting.firstIndex(where: { $0.number == number }) else {
          state.cancelled.insert(number)
          return nil
        }
        return state.waiting.remove(at: place)
      }
      waiter?.continuation.resume(returning: false)
    }
    // Cancelled when it was too late to matter.
    state.withLock { _ = $0.cancelled.remove(number) }
    return hasPlace
  }

  private func giveBack() {
    let next: Waiter? = state.withLock { state in
      guard !state.waiting.isEmpty else {
        state.free += 1
        return nil
      }
      return state.waiting.removeFirst()
    }
    next?.continuation.resume(returning: true)
  }
}
