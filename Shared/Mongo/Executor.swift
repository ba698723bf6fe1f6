import Kernel

/// Runs units of work: finds a server, finds a thread, repeats what is worth repeating.
struct Executor: Sendable {
  let configuration: MongoConfiguration
  let driver: DriverPool
  let observer: TopologyObserver
  let workers: WorkerPool
  let selection: ServerSelection
  let retries: RetryPolicy
  private let interrupter: Interrupter

  init(_ configuration: MongoConfiguration, _ driver: DriverPool, _ observer: TopologyObserver) {
    self.configuration = configuration
    self.driver = driver
    self.observer = observer
    workers = WorkerPool(
      driver,
      WorkerPool.Settings(
        sizeMax: configuration.poolMax, sizeMin: configuration.poolMin, queueTimeout: configuration.waitQueueTimeout),
      listener: observer.listener)
    interrupter = Interrupter(driver)
    selection = ServerSelection(workers, observer)
    retries = RetryPolicy(
      attemptsMax: configuration.retryAttempts, base: configuration.retryBase, budget: RetryBudget())
  }

  func close() async {
    await workers.close(within: Limits.closeGrace)
    await interrupter.close()
  }

  func run<Value: Sendable>(
    on workers: WorkerPool, database: String, _ work: @escaping @Sendable (MongoConnection) throws -> Value
  ) async throws -> Value {
    let deadline = Deadline.current
    return try await repeating(until: deadline, worthRepeating: \.isTransient) {
      let interruption = CallInterruption(by: interrupter)
      return try await workers.perform(until: deadline, interruption: interruption) { context, interest in
        let session = try context.session()
        return try interruption.interruptible(session) {
          try work(
            MongoConnection(
              client: context.client, session: session, database: database, deadline: deadline, interest: interest,
              commandTimeMax: configuration.socketTimeout, isInTransaction: false))
        }
      }
    }
  }

  func transaction<Value: Sendable>(
    on workers: WorkerPool, database: String, findsItself: Bool,
    _ body: @escaping @Sendable (MongoConnection) throws -> Value
  ) async throws -> Value {
    let deadline = Deadline.current
    return try await repeating(
      until: deadline, worthRepeating: { $0.isTransient || (findsItself && $0 == .unknownCommitResult) }
    ) {
      let interruption = CallInterruption(by: interrupter)
      return try await workers.perform(until: deadline, interruption: interruption) { context, interest in
        let session = try context.session()
        // A commit of unknown outcome on a kept session may have left its transaction behind.
        if session.inTransaction { session.abort() }
        try session.startTransaction(commitWithin: deadline?.remaining)
        let connection = MongoConnection(
          client: context.client, session: session, database: database, deadline: deadline, interest: interest,
          commandTimeMax: configuration.socketTimeout, isInTransaction: true)
        let value: Value
        do {
          // The commit is not: its outcome has to become known.
          value = try interruption.interruptible(session) { try body(connection) }
          try connection.check()
        } catch {
          session.abort()
          throw error
        }
        try commit(session, deadline)
        return value
      }
    }
  }

  /// Sends the commit until its outcome is known: repeating it is safe, the server applies it once. Blocks.
  private func commit(_ session: DriverSession, _ deadline: Deadline?) throws {
    for attempt in 1...Limits.commitAttemptsMax {
      do {
        let limit = deadline.map { min($0.remaining, configuration.socketTimeout) } ?? configuration.socketTimeout
        return try session.commit(within: limit + Limits.replyGrace)
      } catch let error as CommandError {
        let isUnknown = error.labels.contains(CommandError.unknownCommit)
        // Aborted for certain, and the whole transaction may run again.
        if error.labels.contains(CommandError.transientTransaction), !isUnknown { throw Self.transient(error) }
        // Every other error says nothing about the outcome, whatever its labels: a write concern that cannot be met,
        // for one, comes without any, and the transaction is committed.
        let pause = configuration.retryBase * (1 << (attempt - 1))
        let isTimely = deadline.map { $0.remaining > pause } ?? true
        // The server's own time limit would only expire again.
        let isExpired = error.failure(collection: "") == .maxTimeExpired
        guard attempt < Limits.commitAttemptsMax, isTimely, !isExpired else { throw MongoFailure.unknownCommitResult }
        DedicatedThread.sleep(pause)
      }
    }
    throw MongoFailure.unknownCommitResult
  }

  private static func transient(_ error: CommandError) -> MongoFailure {
    let failure = error.failure(collection: "")
    return failure.isTransient ? failure : .transientTransaction("code \(error.code): \(error.message)")
  }

  private func repeating<Value: Sendable>(
    until deadline: Deadline?, worthRepeating: @Sendable (MongoFailure) -> Bool,
    _ attempt: @Sendable () async throws -> Value
  ) async throws -> Value {
    var made = 0
    while true {
      try Task.checkCancellation()
      // Waiting for a server is a retry of its own and is not repeated.
      try await awaitServer(until: deadline)
      do {
        let value = try await attempt()
        retries.budget.deposit()
        return value
      } catch let failure as MongoFailure where worthRepeating(failure) {
        made += 1
        guard let pause = retries.pause(after: made, until: deadline) else { throw failure }
        observer.listener?.heard(.retries(failure.kind))
        try await Task.sleep(for: pause)
      }
    }
  }

  /// While no primary is known, waits for one as long as the server selection timeout and the caller's time allow.
  /// Leaves the caller a tenth of its time, so that it gets this answer instead of its own time-out.
  private func awaitServer(until deadline: Deadline?) async throws {
    guard observer.state != .connected else { return }
    var limit = configuration.serverSelectionTimeout
    if let deadline {
      let (share, whole) = Limits.selectionShare
      limit = min(limit, deadline.remaining * share / whole)
    }
    guard limit > .zero else { throw MongoFailure.timeout }
    try await selection.awaitPrimary(until: .after(limit))
  }
}
