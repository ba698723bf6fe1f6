public import NIOCore

/// Runs tasks on one event loop.
///
/// A task started with `Task.immediate(executorPreference:)` on this executor starts at once and comes back to the
/// loop after every suspension, so it shares its connection's state without locks.
public final class LoopExecutor: TaskExecutor {
  public let eventLoop: any EventLoop

  public init(_ eventLoop: any EventLoop) {
    self.eventLoop = eventLoop
  }

  public func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    let executor = asUnownedTaskExecutor()
    // Not the loop's own `enqueue`: that would run the job on the loop's serial executor.
    eventLoop.execute { job.runSynchronously(on: executor) }
  }
}
