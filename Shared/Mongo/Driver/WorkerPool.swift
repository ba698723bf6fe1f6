import Kernel
import Synchronization

/// What a worker's thread owns.
final class WorkerContext {
  let client: DriverClient
  /// A lane keeps one session for its life; other workers take a fresh one per unit of work.
  private let keepsSession: Bool
  private var kept: DriverSession?

  init(client: DriverClient, keepsSession: Bool) {
    self.client = client
    self.keepsSession = keepsSession
  }

  func session() throws -> DriverSession {
    if let kept { return kept }
    let session = try client.startSession()
    if keepsSession { kept = session }
    return session
  }
}

/// Threads for blocking calls, each with a connection of its own: started on demand up to a maximum, ended when idle
/// above a minimum. The thread used last is used next, so that few connections stay warm.
final class WorkerPool: Sendable {
  struct Settings {
    var sizeMax: Int
    var sizeMin: Int
    var queueTimeout: Duration
    var keepsSession = false
  }

  struct Statistics: Sendable {
    let size: Int
    let idle: Int
    let queued: Int
  }

  fileprivate struct Job: Sendable {
    let interest: any CallerInterest
    let run: @Sendable (WorkerContext) -> Void
    let begin: @Sendable () -> Void
    let refuse: @Sendable (MongoFailure) -> Void

    /// Sees to the worker's own connection.
    static let keepAlive = Job(
      interest: Oneself(), run: { $0.client.keepAlive() }, begin: {}, refuse: { _ in })

    private struct Oneself: CallerInterest {
      var isGone: Bool { false }
    }
  }

  private struct State {
    var queue: [Job] = []
    /// The index of the queue's first job; the ones before it are done.
    var head = 0
    var idle: [Worker] = []
    var size = 0
    var isClosed = false

    var queued: Int { queue.count - head }

    /// The longest waiting job whose caller is still there.
    mutating func nextJob() -> Job? {
      while head < queue.count {
        let job = queue[head]
        head += 1
        if head > 64, head * 2 > queue.count {
          queue.removeFirst(head)
          head = 0
        }
        if !job.interest.isGone { return job }
      }
      return nil
    }
  }

  private enum Placement {
    case handed(Worker)
    case grown
    case queued
    case refused(MongoFailure)
  }

  private let driver: DriverPool
  private let settings: Settings
  private let listener: (any MongoListener)?
  private let state = Mutex(State())

  init(_ driver: DriverPool, _ settings: Settings, listener: (any MongoListener)? = nil) {
    self.driver = driver
    self.settings = settings
    self.listener = listener
  }

  var statistics: Statistics {
    state.withLock { Statistics(size: $0.size, idle: $0.idle.count, queued: $0.queued) }
  }

  /// Runs `work` on a worker's thread. Stops waiting at `deadline` (`timeout`), when no thread becomes free in time
  /// (`poolExhausted`), and on cancellation, of which `interruption` learns.
  func perform<Value: Sendable>(
    until deadline: Deadline?, interruption: CallInterruption? = nil,
    _ work: @escaping @Sendable (WorkerContext, any CallerInterest) throws -> Value
  ) async throws -> Value {
    let call = PendingCall<Value>(whenCancelled: { interruption?.callerLeft() })
    let waits = listener.map { Waiting($0) }
    let caller = listener?.context()
    let job = Job(
      interest: call,
      run: { context in
        do {
          // Nothing is bound for nobody: it costs.
          let value =
            caller == nil
            ? try work(context, call)
            : try MongoCommand.$currentContext.withValue(caller) { try work(context, call) }
          call.resolve(.success(value))
        } catch let error as CommandError {
          call.resolve(.failure(error.failure(collection: "")))
        } catch {
          call.resolve(.failure(error))
        }
      },
      begin: {
        waits?.ended()
        call.expire(at: deadline, with: .timeout)
      }, refuse: { call.resolve(.failure($0)) })
    do {
      return try await wait(for: call, job, deadline, waits)
    } catch MongoFailure.poolExhausted {
      listener?.heard(.poolExhausted)
      throw MongoFailure.poolExhausted
    }
  }

  private func wait<Value: Sendable>(
    for call: PendingCall<Value>, _ job: Job, _ deadline: Deadline?, _ waits: Waiting?
  ) async throws -> Value {
    try await call.value {
      switch self.place(job) {
      case .handed(let worker):
        waits?.ended()
        if deadline != nil { call.expire(at: deadline, with: .timeout) }
        worker.assign(job)
      case .grown:
        waits?.ended()
        if deadline != nil { call.expire(at: deadline, with: .timeout) }
        self.startWorker(job)
      case .queued:
        let patience = Deadline.after(self.settings.queueTimeout)
        if let deadline, deadline < patience {
          call.expire(at: deadline, with: .timeout)
        } else {
          call.expire(at: patience, with: .poolExhausted)
        }
      case .refused(let failure):
        job.refuse(failure)
      }
    }
  }

  /// Tells how long a call waited for its connection.
  private struct Waiting: Sendable {
    private let listener: any MongoListener
    private let begun = ContinuousClock.now

    init(_ listener: any MongoListener) { self.listener = listener }

    func ended() { listener.heard(.gotConnection(after: begun.duration(to: .now))) }
  }

  /// Has every connection without work looked at and opened anew where it is broken, without waiting for it: a
  /// database that was away has closed them all.
  func refresh() {
    let idle = state.withLock { state in
      defer { state.idle = [] }
      return state.idle
    }
    for worker in idle { worker.assign(.keepAlive) }
    warm()
  }

  /// Opens connections up to the minimum, without waiting for them.
  func warm() {
    while state.withLock({ state in
      guard !state.isClosed, state.size < settings.sizeMin else { return false }
      state.size += 1
      return true
    }) {
      startWorker(nil)
    }
  }

  /// Refuses what waits, lets what runs finish, and returns when all threads have ended or the grace is over.
  func close(within grace: Duration) async {
    let (waiting, idle) = state.withLock { state in
      let result = (Array(state.queue[state.head...]), state.idle)
      state.isClosed = true
      state.queue = []
      state.head = 0
      state.idle = []
      return result
    }
    for job in waiting { job.refuse(.closed) }
    for worker in idle { worker.stop() }
    let end = Deadline.after(grace)
    while statistics.size > 0, !end.hasPassed {
      do { try await Task.sleep(for: .milliseconds(5)) } catch { return }
    }
  }

  private func place(_ job: Job) -> Placement {
    state.withLock { state in
      if state.isClosed { return .refused(.closed) }
      if let worker = state.idle.popLast() { return .handed(worker) }
      if state.size < settings.sizeMax {
        state.size += 1
        return .grown
      }
      guard state.queued < Limits.queueMax else { return .refused(.poolExhausted) }
      state.queue.append(job)
      return .queued
    }
  }

  private func startWorker(_ job: Job?) {
    let worker = Worker()
    if !DedicatedThread.start({ self.work(worker, first: job) }) {
      state.withLock { $0.size -= 1 }
      job?.refuse(.poolExhausted)
    }
  }

  /// A worker's whole life, on its thread.
  private func work(_ worker: Worker, first: Job?) {
    guard let client = driver.client() else {
      state.withLock { $0.size -= 1 }
      first?.refuse(.poolExhausted)
      return
    }
    let context = WorkerContext(client: client, keepsSession: settings.keepsSession)
    var job = first ?? .keepAlive
    while true {
      job.run(context)
      switch following(worker) {
      case .job(let next): job = next
      case .stop:
        state.withLock { $0.size -= 1 }
        return
      }
    }
  }

  private enum Following {
    case job(Job)
    case stop
  }

  private func following(_ worker: Worker) -> Following {
    let waiting = state.withLock { state -> Following? in
      if let job = state.nextJob() { return .job(job) }
      if state.isClosed { return .stop }
      state.idle.append(worker)
      return nil
    }
    if let waiting {
      if case .job(let job) = waiting { job.begin() }
      return waiting
    }
    while true {
      switch worker.wait(atMost: Limits.idleMax) {
      case .job(let job): return .job(job)
      case .stop: return .stop
      case .nothing:
        let next = state.withLock { state -> Following? in
          // Otherwise it was just given something to do.
          guard let index = state.idle.firstIndex(where: { $0 === worker }) else { return nil }
          state.idle.remove(at: index)
          // Those that stay keep their connection from being forgotten on the way, or find out that it was.
          return state.size > settings.sizeMin ? .stop : .job(.keepAlive)
        }
        if let next { return next }
      }
    }
  }

  /// The letter box of one thread.
  private final class Worker: @unchecked Sendable {
    // Unchecked: `assigned` and `isStopped` are guarded by `monitor`.
    enum Letter {
      case job(Job)
      case stop
      case nothing
    }

    private let monitor = Monitor()
    private var assigned: Job?
    private var isStopped = false

    func assign(_ job: Job) {
      monitor.locked {
        assigned = job
        monitor.signal()
      }
    }

    func stop() {
      monitor.locked {
        isStopped = true
        monitor.signal()
      }
    }

    func wait(atMost span: Duration) -> Letter {
      let end = Deadline.after(span)
      return monitor.locked {
        while assigned == nil, !isStopped {
          guard !end.hasPassed else { return .nothing }
          monitor.wait(atMost: end.remaining)
        }
        guard let job = assigned else { return .stop }
        assigned = nil
        return .job(job)
      }
    }
  }
}
