public import NIOCore

/// Runs tasks on one event loop.
///
/// A task started with `Task.immediate(executorPreference:)` on this executor starts at once and comes back to the
/// loop after every suspension, so it shares its connection's state without locks.
public final class LoopExecutor: TaskExecutor, @unchecked Sendable {  // What changes is touched on its loop only.
  public let eventLoop: any EventLoop
  /// The next job is to run at once: `resumeAtOnce` is about to hand it in.
  @exclusivity(unchecked) private var runsNext = false

  public init(_ eventLoop: any EventLoop) {
    self.eventLoop = eventLoop
  }

  public func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    let executor = asUnownedTaskExecutor()
    if eventLoop.inEventLoop, runsNext {
      runsNext = false
      return job.runSynchronously(on: executor)
    }
    // Not the loop's own `enqueue`: that would run the job on the loop's serial executor.
    eventLoop.execute { job.runSynchronously(on: executor) }
  }

  /// Resumes a task of this executor that waits; it runs until it waits again, before this returns. To be called on
  /// the loop.
  public func resumeAtOnce(_ task: UnsafeContinuation<Void, Never>) {
    eventLoop.assertInEventLoop()
    runsNext = true
    task.resume()
    assert(!runsNext, "the task prefers this executor")
  }
}
