internal import NIOCore
internal import Synchronization
internal import Transport

/// Runs the handlers of unary calls on one event loop, in tasks that are used again.
///
/// Making a task costs more than anything else around a handler that never waits. So a task that has run a handler
/// runs the next one, and waits for more when there is none. A handler that waits keeps its task; the calls behind it
/// get another. A task that was cancelled ends with its handler, because nothing takes that back.
///
/// Kept by the connections on the loop, all of which share it: ten thousand idle ones would each keep a task.
final class CallWorkers: @unchecked Sendable {  // Touched on its event loop only.
  private let executor: LoopExecutor
  /// Calls that nobody runs yet, from `next` on.
  @exclusivity(unchecked) private var ready: [ServerCall] = []
  @exclusivity(unchecked) private var next = 0
  @exclusivity(unchecked) private var idle: [CallWorker] = []

  init(_ eventLoop: any EventLoop) {
    executor = LoopExecutor(eventLoop)
  }

  /// With the last connection: lets the tasks end that only wait.
  deinit {
    for worker in idle { worker.end() }
  }

  /// A call whose handler `run` starts.
  func add(_ call: ServerCall) {
    ready.append(call)
  }

  /// Runs what has been added: each handler to its end, or until it waits for the first time.
  func run() {
    while let call = take() {
      let worker = idle.popLast() ?? CallWorker()
      worker.run(call, on: executor)
    }
  }

  /// The next call for a worker that has ended one; nil if there is none.
  fileprivate func take() -> ServerCall? {
    guard next < ready.count else { return nil }
    let call = ready[next]
    next += 1
    if next == ready.count {
      ready.removeAll(keepingCapacity: ready.capacity <= CallWorkers.keptMax)
      next = 0
    }
    return call
  }

  /// Keeps a worker for the next calls; false if there are enough already.
  fileprivate func keep(_ worker: CallWorker) -> Bool {
    guard idle.count < CallWorkers.keptMax else { return false }
    idle.append(worker)
    return true
  }

  /// What a loop keeps for its next calls.
  private static let keptMax = 32
}

/// The workers of a server, by event loop.
final class LoopWorkers: Sendable {
  private struct Kept {
    weak var workers: CallWorkers?
  }

  private let loops = Mutex<[ObjectIdentifier: Kept]>([:])

  /// Those of one loop; to be kept by whoever has calls there.
  func workers(on eventLoop: any EventLoop) -> CallWorkers {
    loops.withLock { loops in
      if let workers = loops[ObjectIdentifier(eventLoop)]?.workers { return workers }
      let workers = CallWorkers(eventLoop)
      loops[ObjectIdentifier(eventLoop)] = Kept(workers: workers)
      return workers
    }
  }
}

/// One task, and the call whose handler it runs.
private final class CallWorker: @unchecked Sendable {  // Touched on its event loop only.
  @exclusivity(unchecked) private var task: Task<Void, Never>?
  /// Nil tells a task that goes on to end.
  @exclusivity(unchecked) private var call: ServerCall?
  @exclusivity(unchecked) private var waiting: UnsafeContinuation<Void, Never>?

  /// Runs the call's handler, and those of further calls, until one waits or all are done.
  func run(_ call: ServerCall, on executor: LoopExecutor) {
    self.call = call
    if let waiting {
      self.waiting = nil
      executor.resumeAtOnce(waiting)
    } else {
      task = Task.immediate(executorPreference: executor) { await work() }
    }
    if let task { self.call?.waits(in: task) }
  }

  func end() {
    waiting?.resume()
    waiting = nil
  }

  @concurrent
  private func work() async {
    while call != nil {
      await call?.answer()
      // Unsafe, because a checked one takes as long as a handler. It is resumed once: by `run` or by `end`.
      if mustWait() { await withUnsafeContinuation { waiting = $0 } }
    }
  }

  /// Takes the next call, if the task may go on and there is one; true if it should wait for one. No function of its
  /// own for nothing: a task that waits must hold neither the call that has ended nor its `CallWorkers`.
  private func mustWait() -> Bool {
    guard let ended = call else { return false }
    guard !Task.isCancelled else {
      call = nil
      return false
    }
    call = ended.workers.take()
    return call == nil && ended.workers.keep(self)
  }
}
