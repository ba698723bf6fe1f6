public import Kernel

/// The one door to the books: every command of this process passes through here, in order.
///
/// While one batch is being committed, callers collect, and the next batch takes them all: its commands are decided one
/// after the other, each on the books that its predecessors leave, and written in one transaction. Nobody is answered
/// before that transaction is committed, not even with a refusal or a replay: either may rest on a predecessor, and
/// only a commit shows that the lease was still held.
public final class PostingQueue: Sendable {
  private let store: any LedgerStore
  private let clock: any WallClock
  private let bounds: QueueLimits
  private let holder: @Sendable () -> String
  private let line: WaitingLine
  private let watch = WriterWatch()
  private let writer: BatchWriter
  private let pause: @Sendable (Duration) async -> Void
  private let executor: (any TaskExecutor)?

  /// - Parameters:
  ///   - holder: what other processes call to reach this one (ADVERTISED_TARGET).
  ///   - executor: where the writing goes on; nil stands for Swift's own pool.
  ///   - pause: waits between attempts at a batch, and between two looks at the lease; tests pass one that does not.
  public init(
    store: any LedgerStore, clock: any WallClock, limits: WalletLimits, bounds: QueueLimits = QueueLimits(),
    holder: @escaping @Sendable () -> String = { "local" }, executor: (any TaskExecutor)? = nil,
    pause: @escaping @Sendable (Duration) async -> Void = { try? await Task.sleep(for: $0) }
  ) {
    self.store = store
    self.clock = clock
    self.bounds = bounds
    self.holder = holder
    self.pause = pause
    self.executor = executor
    line = WaitingLine(waitingMax: bounds.waitingMax)
    writer = BatchWriter(
      store: store, clock: clock, limits: limits, bounds: bounds, holder: holder, executor: executor, pause: pause,
      line: line, watch: watch)
  }

  /// Applies the command once, however often it is sent.
  ///
  /// Throws the command's refusal, `NotTheWriter` when another process holds the lease, `WALLET_CONFLICT` when other
  /// writers won every attempt, `SERVICE_UNAVAILABLE` when the queue is full or the outcome is unknown,
  /// `DEADLINE_EXCEEDED` when the task's deadline passed before the command's turn came, and whatever the store throws.
  /// A cancelled caller's command is dropped if its turn has not come; otherwise the caller waits for the outcome.
  public func perform<Command: LedgerCommand>(
    _ command: Command, for request: RequestRecord<Command.Answer>? = nil
  ) async throws -> Outcome<Command.Answer> {
    if case .elsewhere(let holder) = place { throw NotTheWriter(holder: holder) }
    let id = line.nextID()
    let deadline = Deadline.current
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        add(QueueEntry(id: id, command, request, deadline: deadline, continuation))
        // Cancelled before it was in line: nobody else withdraws it.
        if Task.isCancelled { withdraw(id) }
      }
    } onCancel: {
      withdraw(id)
    }
  }

  /// The answer to a command that was applied before; nil if it was not. Reads only, outside the queue: for checks that
  /// must come after the replay but before the command, such as asking another service.
  public func replay<Command: LedgerCommand>(
    of command: Command, for request: RequestRecord<Command.Answer>? = nil
  ) async throws -> Outcome<Command.Answer>? {
    try command.replay(in: try await store.read(command.needs(for: request), at: clock.now()), for: request)
  }

  /// Commands that wait for their turn.
  public var waitingCount: Int {
    get async { line.count }
  }

  private func add(_ entry: QueueEntry) {
    switch line.add(entry) {
    case .waits: break
    case .starts: startWork()
    case .full:
      entry.fail(Failure(.serviceUnavailable, "too many postings are waiting", retryAfter: .milliseconds(200)))
    }
  }

  private func withdraw(_ id: UInt64) {
    line.withdraw(id)?.fail(CancellationError())
  }

  /// Detached: a batch must not inherit the deadline, the cancellation or the call of whoever came first.
  private func startWork() {
    Task.detached(executorPreference: executor) { [writer] in await writer.work() }
  }

  // MARK: The lease

  /// Where commands are applied now. What was heard of another process counts until its lease would have run out.
  public var place: WriterPlace {
    let sight = watch.sight
    if case .elsewhere = sight.place, sight.until?.hasPassed == true { return .here }
    return sight.place
  }

  /// Grows with every take-over that this process hears of.
  public var turn: UInt64 { watch.sight.turn }

  /// Returns when `turn` is no longer the current one, or the task is cancelled.
  public func changed(since turn: UInt64) async {
    await watch.changed(since: turn)
  }

  /// Keeps the lease, or waits for its turn to take it, until the task is cancelled; then gives it back.
  ///
  /// A process that does not run this takes the lease with its first command, if it is free.
  public func keepLease() async {
    while !Task.isCancelled {
      await look()
      await pause(bounds.lookEvery)
    }
    await resign()
  }

  /// Gives the lease back: no command is applied here afterwards.
  public func resign() async {
    // The task's own cancellation must not keep it from that.
    await Task.detached(executorPreference: executor) { [writer] in await writer.resign() }.value
  }

  /// True once the lease is being given back: no further batch is begun.
  public var hasResigned: Bool {
    get async { await writer.hasResigned }
  }

  private func look() async {
    if let until = await writer.holdsUntil {
      guard until.remaining <= WriterTerm.lease - bounds.renewEvery else { return }
    } else if let lease = try? await store.lease(), lease.holder != holder(), lease.remaining > .zero {
      return watch.see(lease)
    }
    if line.askForLease() { startWork() }
  }
}

extension WriterWatch {
  func see(_ lease: LeaseReading) {
    see(.elsewhere(lease.holder), token: lease.token, until: .after(lease.remaining))
  }
}
