internal import Synchronization

/// What a process says of its services, for those who ask and for those who watch.
public final class HealthStatuses: Sendable {
  public enum Status: Sendable {
    case serving
    case notServing
  }

  private struct Watcher {
    let service: String
    let changes: AsyncStream<Status?>.Continuation
  }

  private struct State {
    var statuses: [String: Status] = [:]
    var watchers: [Int: Watcher] = [:]
    var watchersStarted = 0
    var isEnded = false
    /// Ended when nobody watches any more.
    var waiting: [AsyncStream<Never>.Continuation] = []
  }

  private let state = Mutex(State())

  public init() {}

  /// By full name of the service; the empty name is the whole process.
  public var all: [String: Status] { state.withLock { $0.statuses } }

  /// Nil for a service that the process does not have.
  public subscript(_ service: String) -> Status? { state.withLock { $0.statuses[service] } }

  /// Replaces what is said of all services, and tells the watchers whom it concerns.
  public func update(_ statuses: [String: Status]) {
    state.withLock { state in
      let before = state.statuses
      state.statuses = statuses
      for watcher in state.watchers.values where before[watcher.service] != statuses[watcher.service] {
        watcher.changes.yield(statuses[watcher.service])
      }
    }
  }

  /// Lets every watcher hear the last status and then ends its watch; so do watches that begin later.
  public func endWatches() {
    state.withLock { state in
      state.isEnded = true
      for watcher in state.watchers.values { watcher.changes.finish() }
    }
  }

  /// Returns when nobody watches any more, or when the task is cancelled.
  public func waitForWatches() async {
    let (end, continuation) = AsyncStream.makeStream(of: Never.self)
    state.withLock { state in
      if state.watchers.isEmpty { continuation.finish() } else { state.waiting.append(continuation) }
    }
    for await _ in end {}
  }

  /// Gives `tell` the status of a service now, nil if there is none, and then after every change. A watcher that is
  /// slower than the changes hears the latest of them. Returns after `endWatches`, or when the task is cancelled.
  public func watch(_ service: String, _ tell: (Status?) async throws -> Void) async throws {
    let (changes, continuation) = AsyncStream.makeStream(of: Status?.self, bufferingPolicy: .bufferingNewest(1))
    let number = state.withLock { state in
      continuation.yield(state.statuses[service])
      if state.isEnded { continuation.finish() }
      state.watchersStarted += 1
      state.watchers[state.watchersStarted] = Watcher(service: service, changes: continuation)
      return state.watchersStarted
    }
    defer { stopped(number) }
    var told: Status??
    for await status in changes where told != .some(status) {
      try await tell(status)
      told = .some(status)
    }
  }

  private func stopped(_ number: Int) {
    state.withLock { state in
      state.watchers[number] = nil
      guard state.watchers.isEmpty else { return }
      for continuation in state.waiting { continuation.finish() }
      state.waiting = []
    }
  }
}
