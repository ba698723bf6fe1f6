import Kernel
import Synchronization

/// Whether somebody still waits for a result: asked by work that could stop early.
protocol CallerInterest: Sendable {
  var isGone: Bool { get }
}

/// The one resumption of a caller that waits for work on a thread: by the work's result, by its deadline, or by
/// cancellation, whichever comes first. The work itself goes on and its result is dropped.
final class PendingCall<Value: Sendable>: CallerInterest {
  private enum State {
    case created
    case waiting(CheckedContinuation<Value, any Error>, watch: UInt64?)
    /// Decided before the continuation was there.
    case decided(Result<Value, any Error>)
    case resumed
  }

  private let state = Mutex(State.created)
  private let gone = Atomic(false)
  private let whenCancelled: @Sendable () -> Void

  /// - Parameter whenCancelled: called when the caller's task is cancelled while it waits.
  init(whenCancelled: @escaping @Sendable () -> Void = {}) {
    self.whenCancelled = whenCancelled
  }

  var isGone: Bool { gone.load(ordering: .relaxed) }

  /// Waits for `resolve`; `begin` starts the work. Throws `CancellationError` when the task is cancelled.
  func value(begin: @Sendable () -> Void) async throws -> Value {
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        attach(continuation)
        begin()
      }
    } onCancel: {
      giveUp(CancellationError())
      whenCancelled()
    }
  }

  /// Gives up with `failure` at `deadline`. A later call replaces an earlier one.
  func expire(at deadline: Deadline?, with failure: MongoFailure) {
    let new = deadline.map { deadline in
      DeadlineWatch.shared.watch(deadline) { [weak self] in self?.giveUp(failure) }
    }
    let old = state.withLock { state -> UInt64? in
      guard case .waiting(let continuation, let watch) = state else { return new }
      state = .waiting(continuation, watch: new)
      return watch
    }
    if let old { DeadlineWatch.shared.forget(old) }
  }

  func resolve(_ result: Result<Value, any Error>) {
    let (continuation, watch) = state.withLock {
      state -> (CheckedContinuation<Value, any Error>?, UInt64?) in
      switch state {
      case .created:
        state = .decided(result)
        return (nil, nil)
      case .waiting(let continuation, let watch):
        state = .resumed
        return (continuation, watch)
      case .decided, .resumed:
        return (nil, nil)
      }
    }
    if let watch { DeadlineWatch.shared.forget(watch) }
    continuation?.resume(with: result)
  }

  func giveUp(_ error: any Error) {
    gone.store(true, ordering: .relaxed)
    resolve(.failure(error))
  }

  private func attach(_ continuation: CheckedContinuation<Value, any Error>) {
    let decided = state.withLock { state -> Result<Value, any Error>? in
      if case .decided(let result) = state {
        state = .resumed
        return result
      }
      state = .waiting(continuation, watch: nil)
      return nil
    }
    if let decided { continuation.resume(with: decided) }
  }
}
