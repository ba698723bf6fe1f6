import Kernel
import Logging

/// Brings a database to the schema of this build and back (DOMAIN 12.4). Every operation may be repeated, and several
/// runners at once take turns.
public struct MigrationRunner: Sendable {
  static let collection = "schema_migrations"
  private static let pollEvery = Duration.milliseconds(250)

  let database: MongoDatabase
  let migrations: [Migration]
  let clock: any WallClock
  let logger: Logger
  /// How long to wait while another runner works.
  let patience: Duration

  public init(
    _ database: MongoDatabase, _ migrations: [Migration], clock: any WallClock = SystemClock(),
    logger: Logger = Logger(label: "migrations"), patience: Duration = .seconds(120)
  ) {
    precondition(Set(migrations.map(\.id)).count == migrations.count, "two migrations share an id")
    self.database = database
    self.migrations = migrations
    self.clock = clock
    self.logger = logger
    self.patience = patience
  }

  /// This build's migrations in order, then what other builds have applied.
  public func status() async throws -> [MigrationStatus] {
    let records = try await records()
    let known = migrations.map { migration in
      MigrationStatus(
        id: migration.id, description: migration.description,
        state: records[migration.id].map { Self.state($0, migration) } ?? .pending)
    }
    let ids = Set(migrations.map(\.id))
    let foreign = records.values.filter { !ids.contains($0.id) && $0.isApplied }.sorted { $0.id < $1.id }
    return known
      + foreign.map { MigrationStatus(id: $0.id, description: $0.description, state: .foreign(at: $0.appliedAt)) }
  }

  /// True if everything that this build needs is applied unchanged. What newer builds added does not matter.
  public func isUpToDate() async throws -> Bool {
    try await status().allSatisfy { status in
      switch status.state {
      case .applied, .foreign: true
      case .pending, .changed, .unfinished: false
      }
    }
  }

  /// What `up` would do.
  public func plan(upTo id: String? = nil) async throws -> [PlannedMigration] {
    try Self.plan(try pending(upTo: id, await records()), .up)
  }

  /// What `down` would do.
  public func plan(downTo id: String) async throws -> [PlannedMigration] {
    try Self.plan(try applied(after: id, await records()), .down)
  }

  /// Applies what is pending, up to and including `id`. Returns the ids that it applied.
  ///
  /// Before anything is changed, duplicates that a unique index would refuse are searched and reported.
  @discardableResult
  public func up(to id: String? = nil) async throws -> [String] {
    try await locked { lease in
      let pending = try pending(upTo: id, await records())
      try await refuseDuplicates(pending)
      for migration in pending {
        try await apply(migration, lease)
        logger.info("migration applied", metadata: ["id": "\(migration.id)"])
      }
      return pending.map(\.id)
    }
  }

  /// Undoes, newest first, what was applied after `id`; an empty id undoes everything. Indexes become what they were
  /// before; documents and collections stay.
  @discardableResult
  public func down(to id: String) async throws -> [String] {
    try await locked { lease in
      let records = try await records()
      let applied = try applied(after: id, records)
      for migration in applied {
        try await undo(migration, records[migration.id], lease)
        logger.info("migration undone", metadata: ["id": "\(migration.id)"])
      }
      return applied.map(\.id)
    }
  }
}

extension MigrationRunner {
  private func pending(upTo id: String?, _ records: [String: MigrationRecord]) throws -> [Migration] {
    let changed = migrations.filter { migration in
      records[migration.id].map { $0.isApplied && $0.checksum != migration.checksum } ?? false
    }
    guard changed.isEmpty else { throw MigrationFailure.checksumChanged(changed.map(\.id)) }
    var wanted = migrations[...]
    if let id {
      guard let last = migrations.firstIndex(where: { $0.id == id }) else { throw MigrationFailure.unknownID(id) }
      wanted = migrations[...last]
    }
    return wanted.filter { records[$0.id]?.isApplied != true }
  }

  /// Newest first.
  private func applied(after id: String, _ records: [String: MigrationRecord]) throws -> [Migration] {
    let ids = Set(migrations.map(\.id))
    let foreign = records.values.filter { $0.isApplied && !ids.contains($0.id) }.map(\.id).sorted()
    guard foreign.isEmpty else { throw MigrationFailure.notInThisBuild(foreign) }
    var wanted = migrations[...]
    if !id.isEmpty {
      guard let last = migrations.firstIndex(where: { $0.id == id }) else { throw MigrationFailure.unknownID(id) }
      wanted = migrations[(last + 1)...]
    }
    // Unfinished ones are undone too: some of their steps may have happened.
    return wanted.filter { records[$0.id].map { $0.direction == .up } ?? false }.reversed()
  }

  private static func plan(_ migrations: [Migration], _ direction: MigrationDirection) throws -> [PlannedMigration] {
    migrations.map { migration in
      let steps = direction == .up ? migration.up : migration.up.reversed()
      return PlannedMigration(
        id: migration.id, direction: direction, commands: steps.flatMap { $0.lines(direction) })
    }
  }

  private static func state(_ record: MigrationRecord, _ migration: Migration) -> MigrationStatus.State {
    guard record.direction == .up else { return .pending }
    guard record.isFinished else { return .unfinished }
    return record.checksum == migration.checksum ? .applied(at: record.appliedAt) : .changed(at: record.appliedAt)
  }

  private func refuseDuplicates(_ pending: [Migration]) async throws {
    let indexes = pending.flatMap(\.up).flatMap(\.uniqueIndexes)
    var reports: [DuplicateReport] = []
    for index in indexes {
      if let report = try await database.run({ try $0.duplicates(against: index) }) { reports.append(report) }
    }
    guard reports.isEmpty else { throw MigrationFailure.duplicates(reports) }
  }

  /// The record is written before the first step: a runner that dies in the middle leaves word of which indexes were
  /// there before, and the next one goes on from that.
  private func apply(_ migration: Migration, _ lease: MigrationLease) async throws {
    let earlier = try await records()[migration.id]
    let resumed = earlier.flatMap { $0.direction == .up && !$0.isFinished ? $0.existing : nil }
    let existing = if let resumed { resumed } else { try await existingIndexes(migration) }
    var record = MigrationRecord(
      id: migration.id, description: migration.description, checksum: migration.checksum, appliedAt: clock.now(),
      direction: .up, isFinished: false, existing: existing)
    try await store(record)
    for step in migration.up {
      try lease.check()
      try await database.run { try step.applyUp($0) }
    }
    record.isFinished = true
    record.appliedAt = clock.now()
    try lease.check()
    try await store(record)
  }

  private func undo(_ migration: Migration, _ earlier: MigrationRecord?, _ lease: MigrationLease) async throws {
    let existing = earlier?.existing ?? []
    for step in migration.up.reversed() {
      try lease.check()
      try await database.run { try step.applyDown($0, existing: existing) }
    }
    try lease.check()
    try await store(
      MigrationRecord(
        id: migration.id, description: migration.description, checksum: migration.checksum, appliedAt: clock.now(),
        direction: .down, isFinished: true, existing: existing))
  }

  private func existingIndexes(_ migration: Migration) async throws -> Set<String> {
    let collections = migration.up.reduce(into: Set<String>()) { $0.formUnion($1.collections) }
    return try await database.run { connection in
      var names: Set<String> = []
      for collection in collections {
        names.formUnion(try connection.indexNames(collection).map { "\(collection).\($0)" })
      }
      return names
    }
  }

  private func records() async throws -> [String: MigrationRecord] {
    let found = try await database.run { connection in
      try connection.find(Self.collection, ["_id": ["$ne": "lock"]]).map { try MigrationRecord($0) }
    }
    return Dictionary(found.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
  }

  private func store(_ record: MigrationRecord) async throws {
    _ = try await database.run { connection in
      try connection.replaceOne(Self.collection, ["_id": .string(record.id)], record.document, upsert: true)
    }
  }
}

extension MigrationRunner {
  /// Runs `body` under the lock, renewing it meanwhile.
  private func locked<Value: Sendable>(
    _ body: @escaping @Sendable (MigrationLease) async throws -> Value
  ) async throws -> Value {
    try await database.run { connection in
      try MigrationStep.createCollection(Self.collection, connection)
      try MigrationStep.create(IndexSpec(Self.collection, ["id": 1], unique: true), connection)
    }
    let holder = "runner-\(String(UInt64.random(in: .min ... .max), radix: 16))"
    let lock = MigrationLock(database: database, collection: Self.collection, holder: holder)
    let lease = MigrationLease(try await acquire(lock))
    let result: Result<Value, any Error>
    do {
      result = .success(try await renewing(lock, lease, body))
    } catch {
      result = .failure(error)
    }
    do {
      try await lock.release()
    } catch {
      // It expires by itself.
      logger.warning("the migration lock could not be released", metadata: ["error": "\(error)"])
    }
    return try result.get()
  }

  private func renewing<Value: Sendable>(
    _ lock: MigrationLock, _ lease: MigrationLease, _ body: @escaping @Sendable (MigrationLease) async throws -> Value
  ) async throws -> Value {
    try await withThrowingTaskGroup(of: Value?.self) { group in
      group.addTask { try await body(lease) }
      group.addTask {
        while true {
          try await Task.sleep(for: MigrationLock.renewEvery)
          guard let until = try await lock.renew() else { throw MigrationFailure.leaseLost }
          lease.extend(to: until)
        }
      }
      defer { group.cancelAll() }
      while let outcome = try await group.next() {
        if let outcome { return outcome }
      }
      throw MigrationFailure.leaseLost
    }
  }

  private func acquire(_ lock: MigrationLock) async throws -> Deadline {
    let end = Deadline.after(patience)
    while true {
      if let until = try await lock.acquire() { return until }
      guard !end.hasPassed else { throw MigrationFailure.locked(holder: try await lock.currentHolder()) }
      try await Task.sleep(for: Self.pollEvery)
    }
  }
}
