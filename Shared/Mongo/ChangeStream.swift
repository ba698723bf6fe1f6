import Kernel
import Synchronization

/// The changes of one collection, as they become durable on a majority.
///
/// Goes on after a broken connection, an election or a cursor that the server has closed, without losing or repeating
/// a change. It has a thread and a connection of its own, so that waiting for changes takes none from calls. Made by
/// `MongoDatabase.watching`, used by one task at a time.
public final class ChangeStream: Sendable {
  private struct State {
    /// Zero while there is none.
    var cursor: Int64 = 0
    /// Given up after an interruption, but perhaps still there.
    var abandoned: Int64 = 0
    var start: ChangeStreamStart
    /// The server has ended the stream: the collection was dropped or renamed.
    var hasEnded = false
  }

  private let executor: Executor
  private let worker: WorkerPool
  private let database: String
  private let collection: String
  private let pipeline: [BSONDocument]
  private let state: Mutex<State>

  init(
    _ executor: Executor, database: String, collection: String, pipeline: [BSONDocument], start: ChangeStreamStart
  ) {
    self.executor = executor
    self.database = database
    self.collection = collection
    self.pipeline = pipeline
    worker = WorkerPool(
      executor.driver,
      WorkerPool.Settings(
        sizeMax: 1, sizeMin: 1, queueTimeout: executor.configuration.waitQueueTimeout, keepsSession: true))
    state = Mutex(State(start: start))
  }

  /// The position behind everything that `next` has returned; nil before the stream stands. Whoever stores it after
  /// having worked on the changes sees them at least once.
  public var resumeToken: ResumeToken? {
    if case .after(let token) = state.withLock({ $0.start }) { token } else { nil }
  }

  /// Waits for changes and returns them in their order, at least one.
  ///
  /// Throws `ChangeStreamFailure.positionLost` when the server cannot tell what has happened since the position that
  /// the stream has reached, `CancellationError`, or what else makes the server refuse the stream. Waits as long as
  /// the database is away.
  public func next() async throws -> [BSONDocument] {
    while true {
      let changes = try await persisting { try await self.advance() }
      if !changes.isEmpty { return changes }
    }
  }

  /// Returns when the stream stands: every later change will be seen. Changes that it brought along stay for `next`.
  func open() async throws {
    try await persisting { if self.state.withLock({ $0.cursor }) == 0 { try await self.begin() } }
  }

  /// Ends the server's cursor and gives the connection back, at the latest when the server has answered what is under
  /// way (`ChangeStreamLimits.patience`), which this does not wait for.
  func close() async {
    // Not cut short by the cancellation that may be the reason to close.
    await Task.detached {
      let cursor = self.state.withLock { state in
        defer { state.cursor = 0 }
        return state.cursor
      }
      if cursor != 0, self.executor.observer.state == .connected {
        // From another connection: this stream's own may be waiting at the server.
        let (executor, command) = (self.executor, Self.killing(cursor, self.collection))
        _ = try? await Deadline.$current.withValue(.after(ChangeStreamLimits.closeGrace)) {
          try await executor.run(on: executor.workers, database: self.database) { try $0.command(command) }
        }
      }
      await self.worker.close(within: .zero)
    }.value
  }

  /// Repeats `attempt` for as long as what interrupts it passes.
  private func persisting<Value>(_ attempt: () async throws -> Value) async throws -> Value {
    var failures = 0
    while true {
      try Task.checkCancellation()
      do {
        return try await attempt()
      } catch is Interruption {
        state.withLock { state in
          if state.cursor != 0 { state.abandoned = state.cursor }
          state.cursor = 0
        }
        let pause = ChangeStreamLimits.pauseFirst * (1 << min(failures, 8)) * Double.random(in: 0.8...1.2)
        failures += 1
        try await Task.sleep(for: min(pause, ChangeStreamLimits.pauseMax))
      }
    }
  }

  /// One round trip: empty when nothing happened within the server's patience.
  private func advance() async throws -> [BSONDocument] {
    let (cursor, hasEnded) = state.withLock { ($0.cursor, $0.hasEnded) }
    guard !hasEnded else { throw ChangeStreamFailure.positionLost("the collection was dropped or renamed") }
    guard cursor != 0 else { return try await begin() }
    return try await fetch(
      [
        "getMore": .int64(cursor), "collection": .string(collection), "batchSize": .int64(Limits.batchSize),
        "maxTimeMS": .int64(ChangeStreamLimits.patience.wholeMilliseconds),
      ], "nextBatch")
  }

  @discardableResult
  private func begin() async throws -> [BSONDocument] {
    let abandoned = state.withLock { state in
      defer { state.abandoned = 0 }
      return state.abandoned
    }
    let stage: BSONDocument = ["$changeStream": .document(state.withLock { $0.start.options })]
    return try await fetch(
      [
        "aggregate": .string(collection), "pipeline": .documents([stage] + pipeline),
        // An empty first batch: what the stream brings along is fetched like everything else.
        "cursor": ["batchSize": 0], "readConcern": ["level": "majority"],
        "maxTimeMS": .int64(ChangeStreamLimits.openingMax.wholeMilliseconds),
      ], "firstBatch", insteadOf: abandoned)
  }

  private func fetch(
    _ command: BSONDocument, _ key: String, insteadOf abandoned: Int64 = 0
  ) async throws -> [BSONDocument] {
    let (database, collection) = (database, collection)
    let batch: Batch
    do {
      batch = try await worker.perform(until: nil) { context, interest in
        do {
          let session = try context.session()
          func kill(_ cursor: Int64) {
            // The server closes it by itself after ten minutes: a failure here changes nothing.
            _ = try? context.client.command(
              Self.killing(cursor, collection), database: database, session: session, within: Limits.interruptionMax)
          }
          if abandoned != 0 { kill(abandoned) }
          let reply = try context.client.command(
            command, database: database, session: session, within: ChangeStreamLimits.answerMax)
          let batch = try Batch(reply, key)
          if interest.isGone, batch.cursor != 0 { kill(batch.cursor) }
          return batch
        } catch let error as CommandError {
          throw ChangeStreamFailure.meaning(of: error)
        }
      }
    } catch MongoFailure.poolExhausted {
      throw Interruption()
    }
    state.withLock { state in
      state.cursor = batch.cursor
      state.hasEnded = batch.cursor == 0
      if let token = batch.token { state.start = .after(token) }
    }
    return batch.changes
  }

  private static func killing(_ cursor: Int64, _ collection: String) -> BSONDocument {
    ["killCursors": .string(collection), "cursors": [.int64(cursor)]]
  }

  private struct Batch: Sendable {
    let cursor: Int64
    let changes: [BSONDocument]
    let token: ResumeToken?

    init(_ reply: BSONDocument, _ key: String) throws(MongoFailure) {
      let body = try reply.document("cursor")
      cursor = try body.int64("id")
      changes = try body.documents(key)
      var reached = try body.optionalDocument("postBatchResumeToken")
      if reached == nil { reached = try changes.last?.optionalDocument("_id") }
      token = reached.map { ResumeToken($0) }
    }
  }
}

extension MongoDatabase {
  /// Runs `body` with the changes of a collection from `start` on, which stand when it begins: whatever is committed
  /// afterwards will be seen. However `body` ends, the server's cursor is closed before this returns.
  ///
  /// - Parameter pipeline: further stages, for the server to send less; `_id` must stay as it is.
  public func watching<Value: Sendable>(
    _ collection: String, _ pipeline: [BSONDocument] = [], from start: ChangeStreamStart = .now,
    _ body: (ChangeStream) async throws -> Value
  ) async throws -> Value {
    let stream = ChangeStream(
      try client.executor(), database: name, collection: collection, pipeline: pipeline, start: start)
    let result: Result<Value, any Error>
    do {
      try await stream.open()
      result = .success(try await body(stream))
    } catch {
      result = .failure(error)
    }
    await stream.close()
    return try result.get()
  }
}
