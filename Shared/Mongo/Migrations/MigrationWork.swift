import Kernel

/// What a runner does its work with while it holds the lock.
struct MigrationWork: Sendable {
  let database: MongoDatabase
  /// Where whatever is recorded is written.
  let lane: MongoLane
  let lock: MigrationLock
  let lease: MigrationLease
  let report: @Sendable (MigrationProgress) -> Void

  /// One transaction that commits only if the lock is still ours. `body` may run again.
  func guarded<Value: Sendable>(
    _ body: @escaping @Sendable (MongoConnection) throws -> Value
  ) async throws -> Value {
    try lease.check()
    let (lock, fence) = (lock, lease.fence)
    return try await lane.transaction(findsItself: true) { connection in
      // First of all, so that a race with the heartbeat is lost before anything else was done.
      try lock.fence(fence, in: connection)
      return try body(connection)
    }
  }

  func store(_ record: MigrationRecord) async throws {
    try await guarded { connection in
      _ = try connection.replaceOne(
        MigrationRunner.collection, ["_id": .string(record.id)], record.document, upsert: true)
    }
  }

  func store(_ checkpoint: BackfillCheckpoint, _ place: BackfillPlace) async throws {
    try await guarded { try $0.store(checkpoint, place) }
  }

  /// Commands about the schema are in no transaction: they are repeatable, and none is begun without the lease.
  func scoped<Value: Sendable>(
    _ before: [String: IndexSpec], _ body: @escaping @Sendable (StepScope) throws -> Value
  ) async throws -> Value {
    let lease = lease
    try lease.check()
    return try await database.run { connection in
      try body(StepScope(connection: connection, check: { try lease.check() }, before: before))
    }
  }
}
