import Kernel

/// A database of the process's client. Work is a blocking closure on a dedicated thread with one connection; it makes
/// no remote calls.
///
/// The caller stops waiting when its deadline passes (`MongoFailure.timeout`) or its task is cancelled; a transaction
/// that has not begun to commit by then is aborted.
public struct MongoDatabase: Sendable {
  let client: MongoClient
  public let name: String

  /// For reads and single idempotent writes. Repeated after transient failures (DOMAIN 0.4), so a write may happen
  /// twice.
  public func run<Value: Sendable>(
    _ work: @escaping @Sendable (MongoConnection) throws -> Value
  ) async throws -> Value {
    let executor = try client.executor()
    return try await executor.run(on: executor.workers, database: name, work)
  }

  /// All or nothing, on a snapshot, durable on a majority when it returns. A transient failure runs `body` again from
  /// the start: it must have no effects outside the connection.
  ///
  /// `findsItself` promises that `body` begins by looking whether it already took effect; then a commit of unknown
  /// outcome is resolved by running it again. Without the promise it surfaces as `unknownCommitResult`.
  public func transaction<Value: Sendable>(
    findsItself: Bool = false, _ body: @escaping @Sendable (MongoConnection) throws -> Value
  ) async throws -> Value {
    let executor = try client.executor()
    return try await executor.transaction(
      on: executor.workers, database: name, findsItself: findsItself, body)
  }

  /// Another database of the same deployment.
  public func renamed(_ name: String) -> MongoDatabase {
    MongoDatabase(client: client, name: name)
  }

  /// A connection, thread and logical session of its own, for one writer that others must be able to take over from.
  public func lane() async throws -> MongoLane {
    try await MongoLane(try client.executor(), database: name)
  }
}

/// A single-file way to the database with a logical session that stays the same.
///
/// Whoever takes over from a dead or stopped holder kills that session first (`MongoConnection.killSessions`):
/// otherwise an open transaction would keep its documents for up to a minute.
public final class MongoLane: Sendable {
  /// As `killSessions` takes it. Store it where a successor finds it.
  public let sessionID: BSONDocument
  private let executor: Executor
  private let worker: WorkerPool
  private let database: String

  init(_ executor: Executor, database: String) async throws {
    self.executor = executor
    self.database = database
    let worker = WorkerPool(
      executor.driver,
      WorkerPool.Settings(
        sizeMax: 1, sizeMin: 1, queueTimeout: executor.configuration.waitQueueTimeout, keepsSession: true))
    self.worker = worker
    do {
      sessionID = try await executor.run(on: worker, database: database) { $0.sessionID }
    } catch {
      await worker.close(within: .zero)
      throw error
    }
  }

  /// Like `MongoDatabase.run`; units of work wait for each other.
  public func run<Value: Sendable>(
    _ work: @escaping @Sendable (MongoConnection) throws -> Value
  ) async throws -> Value {
    try await executor.run(on: worker, database: database, work)
  }

  /// Like `MongoDatabase.transaction`; units of work wait for each other.
  public func transaction<Value: Sendable>(
    findsItself: Bool = false, _ body: @escaping @Sendable (MongoConnection) throws -> Value
  ) async throws -> Value {
    try await executor.transaction(on: worker, database: database, findsItself: findsItself, body)
  }

  /// Gives the connection back after what runs has finished.
  public func close() async {
    await worker.close(within: Limits.closeGrace)
  }
}
