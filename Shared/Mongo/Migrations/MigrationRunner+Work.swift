import Kernel

/// Applying and undoing.
extension MigrationRunner {
  /// The record is written before the first step: a runner that dies in the middle leaves word of which indexes were
  /// there before, and the next one goes on from that.
  func apply(_ migration: Migration, _ work: MigrationWork) async throws {
    let earlier = try await records()[migration.id]
    let resumed = earlier.flatMap { $0.direction == .up && !$0.isFinished ? $0 : nil }
    let before = if let resumed { resumed.before } else { try await existingIndexes(migration) }
    // Whoever stopped in the middle of undoing has unmade what the checkpoints speak of.
    let checkpoints = resumed?.checkpoints ?? [:]
    try await work.store(
      record(
        migration, .up, finished: false, before,
        checkpoints.keys.contains(where: BackfillPlace.isUndo) ? [:] : checkpoints))
    var backfilled: Set<String> = []
    for (number, step) in migration.up.enumerated() {
      if case .backfill(let backfill) = step {
        let place = BackfillPlace(migration.id, step: number, .up)
        try await BackfillRun(backfill: backfill, place: place, work: work, pace: options.documentsPerSecond).run()
        backfilled.insert(backfill.collection)
        continue
      }
      // What the backfill was to mend could not be searched before.
      if !backfilled.isDisjoint(with: step.collections) { try await refuse([step]) }
      try await announce(step, of: migration, work)
      try await work.scoped(before) { try step.applyUp($0) }
    }
    let findings = try await self.findings(of: migration)
    guard findings.isEmpty else { throw MigrationFailure.notVerified(migration.id, findings) }
    // The checkpoints have done their duty.
    try await work.store(record(migration, .up, finished: true, before))
  }

  func undo(_ migration: Migration, _ earlier: MigrationRecord, _ work: MigrationWork) async throws {
    // A runner that dies in the middle must not leave the word that everything is in place.
    if earlier.isFinished { try await work.store(record(migration, .up, finished: false, earlier.before)) }
    for (number, step) in migration.up.enumerated().reversed() {
      if case .backfill(let backfill) = step {
        guard let undo = backfill.undo else { continue }
        let reverse = Backfill(
          backfill.collection, where: [:], change: undo, batchSize: backfill.batchSize,
          documentsPerSecond: backfill.documentsPerSecond)
        let place = BackfillPlace(migration.id, step: number, .down)
        _ = try await BackfillRun(backfill: reverse, place: place, work: work, pace: options.documentsPerSecond).pass()
        continue
      }
      try await announce(step, of: migration, work)
      try await work.scoped(earlier.before) { try step.applyDown($0) }
    }
    try await work.store(record(migration, .down, finished: true, earlier.before))
  }

  private func record(
    _ migration: Migration, _ direction: MigrationDirection, finished: Bool, _ before: [String: IndexSpec],
    _ checkpoints: [String: BackfillCheckpoint] = [:]
  ) -> MigrationRecord {
    MigrationRecord(
      id: migration.id, description: migration.description, checksum: migration.checksum, appliedAt: clock.now(),
      direction: direction, isFinished: finished, before: before, checkpoints: checkpoints)
  }

  /// Before a command that may take long: how many documents it is about.
  private func announce(_ step: MigrationStep, of migration: Migration, _ work: MigrationWork) async throws {
    for collection in Set(step.builtIndexes.map(\.collection)).sorted() {
      let documents = try await database.run { try $0.size(collection).documents }
      guard documents > 0 else { continue }
      work.report(
        MigrationProgress(
          migration: migration.id, step: "indexes of \(collection)", done: 0, total: documents, changed: 0))
    }
  }

  private func existingIndexes(_ migration: Migration) async throws -> [String: IndexSpec] {
    let collections = migration.up.reduce(into: Set<String>()) { $0.formUnion($1.collections) }
    return try await database.run { connection in
      var found: [String: IndexSpec] = [:]
      for collection in collections {
        for listed in try connection.indexes(collection) {
          let spec = try IndexSpec(listed: listed, of: collection)
          found[spec.qualifiedName] = spec
        }
      }
      return found
    }
  }
}

/// What would stop a run, searched before anything is changed.
extension MigrationRunner {
  /// What follows a backfill of the same collection is searched only when that is done: it may be what mends it.
  func preflight(_ pending: [Migration]) async throws {
    try await refuse(Self.searchable(pending))
  }

  static func searchable(_ pending: [Migration]) -> [MigrationStep] {
    var backfilled: Set<String> = []
    var steps: [MigrationStep] = []
    for step in pending.flatMap(\.up) {
      if case .backfill(let backfill) = step { backfilled.insert(backfill.collection) }
      if backfilled.isDisjoint(with: step.collections) { steps.append(step) }
    }
    return steps
  }

  func refuse(_ steps: [MigrationStep]) async throws {
    // Indexes that earlier steps of this run take away do not stand in the way of later ones.
    var leaving: Set<String> = []
    var duplicates: [DuplicateReport] = []
    var invalid: [InvalidReport] = []
    for step in steps {
      switch step {
      case .dropIndexes(let specs): leaving.formUnion(specs.map(\.qualifiedName))
      case .rebuildIndex(let old, _, _): leaving.formUnion([old.qualifiedName])
      case .setValidator(let collection, let validator?, _):
        let report = try await database.run { try $0.invalid(collection, validator) }
        if let report { invalid.append(report) }
      case .createCollection, .createIndexes, .setValidator, .backfill: break
      }
      for index in step.builtIndexes {
        if !leaving.contains(index.qualifiedName) { try await refuseConflict(index) }
        guard index.unique else { continue }
        if let report = try await database.run({ try $0.duplicates(against: index) }) { duplicates.append(report) }
      }
    }
    guard duplicates.isEmpty else { throw MigrationFailure.duplicates(duplicates) }
    guard invalid.isEmpty else { throw MigrationFailure.invalidDocuments(invalid) }
  }

  private func refuseConflict(_ index: IndexSpec) async throws {
    let listed = try await database.run { try $0.indexes(index.collection) }
    guard let found = try listed.first(where: { try $0.string("name") == index.name }) else { return }
    let differences = index.differences(from: found)
    guard differences.isEmpty else {
      throw MigrationFailure.indexConflict(
        index.qualifiedName, "another \(differences.joined(separator: ", ")): \(found.json)")
    }
  }
}

/// One runner at a time.
extension MigrationRunner {
  private static let pollEvery = Duration.milliseconds(250)
  /// Renewals per lease.
  private static let renewals = 3

  /// Runs `body` under the lock, renewing it meanwhile.
  func locked<Value: Sendable>(
    _ body: @escaping @Sendable (MigrationWork) async throws -> Value
  ) async throws -> Value {
    try await database.run { connection in
      try connection.createCollection(Self.collection)
      try connection.createIndex(Self.recordIndex)
    }
    let lane = try await database.lane()
    let result: Result<Value, any Error>
    do {
      result = .success(try await locked(lane, body))
    } catch {
      result = .failure(error)
    }
    await lane.close()
    return try result.get()
  }

  private func locked<Value: Sendable>(
    _ lane: MongoLane, _ body: @escaping @Sendable (MigrationWork) async throws -> Value
  ) async throws -> Value {
    let lock = MigrationLock(
      database: database, collection: Self.collection, holder: Self.newHolder(), session: lane.sessionID,
      lease: options.lease)
    let held = try await acquire(lock)
    let lease = MigrationLease(held)
    let work = MigrationWork(database: database, lane: lane, lock: lock, lease: lease, report: options.report)
    let result: Result<Value, any Error>
    do {
      result = .success(try await renewing(lock, lease) { try await body(work) })
    } catch {
      result = .failure(error)
    }
    do {
      // In a task of its own, so that a cancelled run also leaves a free lock.
      try await Task { try await lock.release(held.fence) }.value
    } catch {
      // It expires by itself.
      logger.warning("the migration lock could not be released", metadata: ["error": "\(error)"])
    }
    return try result.get()
  }

  private func renewing<Value: Sendable>(
    _ lock: MigrationLock, _ lease: MigrationLease, _ body: @escaping @Sendable () async throws -> Value
  ) async throws -> Value {
    let pause = options.lease / Self.renewals
    return try await withThrowingTaskGroup(of: Value?.self) { group in
      group.addTask { try await body() }
      group.addTask {
        while true {
          try await Task.sleep(for: pause)
          guard let until = try await lock.renew(lease.fence) else { throw MigrationFailure.leaseLost }
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

  private func acquire(_ lock: MigrationLock) async throws -> MigrationLock.Held {
    let end = Deadline.after(options.patience)
    while true {
      if let held = try await lock.acquire() { return held }
      guard !end.hasPassed else { throw MigrationFailure.locked(holder: try await lock.currentHolder()) }
      try await Task.sleep(for: Self.pollEvery)
    }
  }

  /// Tells an operator where to look: host, process, and what makes it unique.
  private static func newHolder() -> String {
    "\(ProcessName.host)/\(ProcessName.id)/\(String(UInt64.random(in: .min ... .max), radix: 16))"
  }
}
