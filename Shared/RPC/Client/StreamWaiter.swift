internal import NIOCore

/// A task that waits for something of a call, and may be cancelled meanwhile.
final class StreamWaiter<Value: Sendable>: @unchecked Sendable {  // Touched on its call's event loop only.
  private var continuation: CheckedContinuation<Value, any Error>?
  /// Resumed or cancelled.
  private(set) var isOver = false

  /// Takes the promise to resume; false if the task has been cancelled already, which it is then told.
  func begin(_ continuation: CheckedContinuation<Value, any Error>) -> Bool {
    guard !isOver else {
      continuation.resume(throwing: CancellationError())
      return false
    }
    self.continuation = continuation
    return true
  }

  func resume(_ value: Value) {
    resume(with: .success(value))
  }

  func fail(_ error: any Error) {
    resume(with: .failure(error))
  }

  func resume(with result: Result<Value, any Error>) {
    isOver = true
    guard let continuation else { return }
    self.continuation = nil
    continuation.resume(with: result)
  }
}

extension EventLoop {
  /// Runs the task now if this is the loop's own thread, else as soon as the loop can.
  func run(_ task: @escaping @Sendable () -> Void) {
    if inEventLoop { task() } else { execute(task) }
  }
}
