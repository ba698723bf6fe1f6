import Kernel
import Synchronization

/// The commands that wait, and what else the writer is waiting for. One writer at a time looks at it.
final class WaitingLine: Sendable {
  enum Event: Sendable {
    /// Enough commands wait, or the batch under way is about to land and some do, or the writer was woken.
    case entries
    /// The batch under way has ended.
    case landed
    /// The lease wants a sign of life, or to be taken.
    case lease
    /// There is nothing to do; the writer has to be started again for the next thing.
    case nothing
  }

  private struct Watch {
    let enough: Int?
    let isFlying: Bool
    let continuation: CheckedContinuation<Event, Never>
  }

  private struct State {
    var waiting: [QueueEntry] = []
    var isWorking = false
    var hasLanded = false
    var isApproaching = false
    var isWoken = false
    var wantsLease = false
    var watch: Watch?
    var lastID: UInt64 = 0

    mutating func due(_ enough: Int?, _ isFlying: Bool) -> Event? {
      if hasLanded {
        hasLanded = false
        isApproaching = false
        return .landed
      }
      let isEnough = enough.map { waiting.count >= (isApproaching ? 1 : max(1, $0)) } ?? false
      if isEnough || isWoken {
        isApproaching = false
        isWoken = false
        return .entries
      }
      guard !isFlying else { return nil }
      if wantsLease {
        wantsLease = false
        return .lease
      }
      isWorking = false
      return .nothing
    }

    /// The writer's continuation, if what it waits for has come.
    mutating func dueWatch() -> (CheckedContinuation<Event, Never>, Event)? {
      guard let watch, let event = due(watch.enough, watch.isFlying) else { return nil }
      self.watch = nil
      return (watch.continuation, event)
    }

    mutating func startsWork() -> Bool {
      guard !isWorking else { return false }
      isWorking = true
      return true
    }
  }

  private let state = Mutex(State())
  private let waitingMax: Int

  init(waitingMax: Int) {
    self.waitingMax = waitingMax
  }

  var count: Int { state.withLock { $0.waiting.count } }

  func nextID() -> UInt64 {
    state.withLock { state in
      state.lastID += 1
      return state.lastID
    }
  }

  enum Admission {
    case waits
    /// It waits, and the writer has to be started.
    case starts
    case full
  }

  func add(_ entry: QueueEntry) -> Admission {
    change { state in
      guard state.waiting.count < waitingMax else { return .full }
      state.waiting.append(entry)
      return state.startsWork() ? .starts : .waits
    }
  }

  /// The entry, unless its turn has come already.
  func withdraw(_ id: UInt64) -> QueueEntry? {
    state.withLock { state in
      state.waiting.firstIndex { $0.id == id }.map { state.waiting.remove(at: $0) }
    }
  }

  /// The longest waiting entries, in order of arrival.
  func take(_ max: Int) -> [QueueEntry] {
    state.withLock { state in
      let taken = Array(state.waiting.prefix(max))
      state.waiting.removeFirst(taken.count)
      return taken
    }
  }

  /// Entries that were taken too early: they keep their place.
  func putBack(_ entries: some Collection<QueueEntry>) {
    state.withLock { $0.waiting.insert(contentsOf: entries, at: 0) }
  }

  /// The batch under way has only its commit before it: what waits now can be looked up meanwhile, once.
  func approaches() {
    change { $0.isApproaching = true }
  }

  /// The writer has waited for long enough, also if nobody came.
  func wake() {
    change { $0.isWoken = true }
  }

  func landed() {
    change { $0.hasLanded = true }
  }

  /// True if the writer has to be started for it.
  func askForLease() -> Bool {
    change { state in
      state.wantsLease = true
      return state.startsWork()
    }
  }

  /// What the writer has to do next. `enough` entries wake it, nil means none do while a batch is under way.
  func event(enough: Int?, isFlying: Bool) async -> Event {
    await withCheckedContinuation { continuation in
      let event = state.withLock { state -> Event? in
        if let event = state.due(enough, isFlying) { return event }
        state.watch = Watch(enough: enough, isFlying: isFlying, continuation: continuation)
        return nil
      }
      if let event { continuation.resume(returning: event) }
    }
  }

  private func change<Result>(_ edit: (inout State) -> Result) -> Result {
    let (result, due) = state.withLock { state in (edit(&state), state.dueWatch()) }
    if let (continuation, event) = due { continuation.resume(returning: event) }
    return result
  }
}
