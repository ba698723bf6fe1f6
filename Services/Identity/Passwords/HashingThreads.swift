import CArgon2
import Kernel
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A few threads of our own for work that blocks a core for tens of milliseconds, behind a queue with an end.
///
/// Swift's own threads must never do such work: there is one per core, and every other call would wait. The number
/// of threads bounds memory (threads × memory per hash), the queue bounds the delay.
final class HashingThreads: Sendable {
  private struct Job {
    let id: UInt64
    let deadline: Deadline?
    let run: @Sendable () -> Void
    let refuse: @Sendable (any Error) -> Void
  }

  private struct Queue {
    var waiting: [Job] = []
    var nextID: UInt64 = 0
    var isClosed = false
  }

  private let queue = Mutex(Queue())
  private let wakeUps: Semaphore
  private let threadCount: Int
  private let waitingMax: Int

  init(threadCount: Int, waitingMax: Int) {
    precondition(threadCount > 0 && waitingMax > 0)
    #if canImport(Glibc)
      // mallopt(3): a fixed threshold, so that the tens of MiB of each hash are mapped apart and given back at once.
      // Left to itself, glibc learns from the first one to keep such blocks in its heaps.
      _ = mallopt(M_MMAP_THRESHOLD, 1 << 20)
    #endif
    self.threadCount = threadCount
    self.waitingMax = waitingMax
    wakeUps = Semaphore()
    for _ in 0..<threadCount { startThread() }
  }

  /// Runs `work` on one of the threads. Fails with `SERVICE_UNAVAILABLE` when too many wait already,
  /// `DEADLINE_EXCEEDED` when the turn came too late, and `CancellationError` when nobody waits for it any more.
  func run<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
    try Task.checkCancellation()
    let id = queue.withLock { queue in
      queue.nextID += 1
      return queue.nextID
    }
    let deadline = Deadline.current
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        let job = Job(
          id: id, deadline: deadline,
          run: { continuation.resume(with: Result { try work() }) },
          refuse: { continuation.resume(throwing: $0) })
        enqueue(job)
      }
    } onCancel: {
      cancel(id)
    }
  }

  /// Refuses what waits and lets the threads end. What runs is finished.
  func close() {
    let refused = queue.withLock { queue in
      queue.isClosed = true
      defer { queue.waiting.removeAll() }
      return queue.waiting
    }
    for job in refused { job.refuse(Self.closing) }
    for _ in 0..<threadCount { wakeUps.signal() }
  }

  /// Jobs that no thread has taken yet.
  var waitingCount: Int { queue.withLock { $0.waiting.count } }

  private func enqueue(_ job: Job) {
    let refusal: Failure? = queue.withLock { queue in
      if queue.isClosed { return Self.closing }
      if queue.waiting.count >= waitingMax { return Self.overloaded }
      queue.waiting.append(job)
      return nil
    }
    if let refusal { return job.refuse(refusal) }
    wakeUps.signal()
    // The task may have been cancelled before the job was there to be found.
    if Task.isCancelled { cancel(job.id) }
  }

  private func cancel(_ id: UInt64) {
    let job = queue.withLock { queue in
      queue.waiting.firstIndex { $0.id == id }.map { queue.waiting.remove(at: $0) }
    }
    job?.refuse(CancellationError())
  }

  /// False when there will be no more work.
  private func runNext() -> Bool {
    let (job, isClosed) = queue.withLock { queue in
      (queue.waiting.isEmpty ? nil : queue.waiting.removeFirst(), queue.isClosed)
    }
    guard let job else { return !isClosed }
    if job.deadline?.hasPassed == true {
      job.refuse(Failure(.deadlineExceeded, "the password's turn came too late"))
    } else {
      job.run()
    }
    return true
  }

  private func startThread() {
    // The thread owns the pool until `close`; the retain here is released when the thread ends.
    let pool = Unmanaged.passRetained(self)
    var thread = pthread_t()
    let code = pthread_create(
      &thread, nil,
      { context in
        guard let context else { return nil }
        let pool = Unmanaged<HashingThreads>.fromOpaque(context).takeRetainedValue()
        repeat { pool.wakeUps.wait() } while pool.runNext()
        return nil
      }, pool.toOpaque())
    precondition(code == 0, "no thread could be started: \(code)")
    pthread_detach(thread)
  }

  private static let overloaded = Failure(
    .serviceUnavailable, "too many logins at once: try again shortly", retryAfter: .seconds(1))
  private static let closing = Failure(.serviceUnavailable, "the service is stopping")
}

/// A POSIX semaphore at a fixed address.
///
/// `@unchecked Sendable`: sem_wait(3) and sem_post(3) are what a semaphore is for; the pointer itself never changes.
private final class Semaphore: @unchecked Sendable {
  private let handle = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

  init() {
    handle.initialize(to: sem_t())
    let code = sem_init(handle, 0, 0)
    precondition(code == 0, "no semaphore could be made")
  }

  deinit {
    sem_destroy(handle)
    handle.deallocate()
  }

  func signal() { sem_post(handle) }

  func wait() {
    // Interrupted by a signal: wait again.
    while sem_wait(handle) != 0 && errno == EINTR {}
  }
}
