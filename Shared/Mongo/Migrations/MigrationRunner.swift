import Kernel
import Logging

/// Brings a database to the schema of this build and back (DOMAIN 12.4). Every operation may be repeated, and several
/// runners at once take turns.
public struct MigrationRunner: Sendable {
  /// What one run may do and how.
  public struct Options: Sendable {
    /// How long to wait while another runner works; zero refuses at once.
    public var patience: Duration
    /// After so long without a sign of life a runner's place is free (DOMAIN 12.4).
    public var lease: Duration
    /// Documents per second that backfills look at; nil means the pace that each of them declares.
    public var documentsPerSecond: Int?
    /// Told after every batch and before every long command.
    public var report: @Sendable (MigrationProgress) -> Void

    public init(
      patience: Duration = .seconds(120), lease: Duration = .seconds(30), documentsPerSecond: Int? = nil,
      report: @escaping @Sendable (MigrationProgress) -> Void = { _ in }
    ) {
      self.patience = patience
      self.lease = lease
      self.documentsPerSecond = documentsPerSecond
      self.report = report
    }
  }

  static let collection = "schema_migrations"
  static let recordIndex = IndexSpec(collection, ["id": 1], unique: true)

  let database: MongoDatabase
  let migrations: [Migration]
  let clock: any WallClock
  let logger: Logger
  let options: Options

  public init(
    _ database: MongoDatabase, _ migrations: [Migration], clock: any WallClock = SystemClock(),
    logger: Logger = Logger(label: "migrations"), options: Options = Options()
  ) {
    precondition(Set(migrations.map(\.id)).count == migrations.count, "two migrations share an id")
    self.database = database
    self.migrations = migrations
    self.clock = clock
    self.logger = logger
    self.options = options
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

  /// Applies what is pending, up to and including `id`. Returns the ids that it applied.
  ///
  /// Before anything is changed, everything that would stop it is searched and reported: duplicates that a unique index
  /// would refuse, documents that a validator would refuse, indexes that stand in the way.
  @discardableResult
  public func up(to id: String? = nil) async throws -> [String] {
    try await locked { work in
      let pending = try pending(upTo: id, await records())
      try await preflight(pending)
      for migration in pending {
        try await apply(migration, work)
        logger.info("migration applied", metadata: ["id": "\(migration.id)"])
      }
      return pending.map(\.id)
    }
  }

  /// Undoes, newest first, what was applied after `id`; an empty id undoes everything. Indexes become what they were
  /// before; documents and collections stay.
  @discardableResult
  public func down(to id: String) async throws -> [String] {
    try await locked { work in
      let records = try await records()
      let applied = try applied(after: id, records)
      for migration in applied {
        if let record = records[migration.id] { try await undo(migration, record, work) }
        logger.info("migration undone", metadata: ["id": "\(migration.id)"])
      }
      return applied.map(\.id)
    }
  }
}

extension MigrationRunner {
  func pending(upTo id: String?, _ records: [String: MigrationRecord]) throws -> [Migration] {
    let changed = migrations.filter { migration in
      records[migration.id].map { $0.isApplied && !migration.matches(checksum: $0.checksum) } ?? false
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
  func applied(after id: String, _ records: [String: MigrationRecord]) throws -> [Migration] {
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

  private static func state(_ record: MigrationRecord, _ migration: Migration) -> MigrationStatus.State {
    guard record.direction == .up else { return .pending }
    guard record.isFinished else { return .unfinished }
    return migration.matches(checksum: record.checksum)
      ? .applied(at: record.appliedAt) : .changed(at: record.appliedAt)
  }

  func records() async throws -> [String: MigrationRecord] {
    var declared: [String: IndexSpec] = [:]
    for step in migrations.flatMap(\.up) {
      switch step {
      case .dropIndexes(let specs): for spec in specs { declared[spec.qualifiedName] = spec }
      case .rebuildIndex(let old, _, _): declared[old.qualifiedName] = old
      case .createIndexes(let specs): for spec in specs { declared[spec.qualifiedName] = spec }
      case .createCollection, .setValidator, .backfill: break
      }
    }
    let found = try await database.run { [declared] connection in
      try connection.find(Self.collection, ["_id": ["$ne": "lock"]]).map {
        try MigrationRecord($0, declared: declared)
      }
    }
    return Dictionary(found.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
  }
}
