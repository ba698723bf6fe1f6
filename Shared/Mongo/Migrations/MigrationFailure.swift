import Kernel

/// Values that a unique index would refuse.
public struct DuplicateReport: Hashable, Sendable {
  public struct Sample: Hashable, Sendable {
    /// The indexed values, by key; may be personal data, so it is for the operator's terminal and not for logs.
    public let key: BSONDocument
    /// Documents that hold it.
    public let count: Int64
  }

  public let index: IndexSpec
  /// At most ten.
  public let samples: [Sample]
}

/// Documents that a validator would refuse.
public struct InvalidReport: Hashable, Sendable {
  public let collection: String
  public let count: Int64
  /// The `_id` of at most ten of them.
  public let samples: [BSONValue]
}

/// Why migrations stopped. Nothing was changed unless it says so.
public enum MigrationFailure: Error, Sendable {
  case duplicates([DuplicateReport])
  case invalidDocuments([InvalidReport])
  /// Migrations that were applied in another form than this build has them.
  case checksumChanged([String])
  /// Another runner worked for longer than this one was willing to wait.
  case locked(holder: String)
  /// The lease was lost while working; the other runner continues from the records.
  case leaseLost
  /// An index of this name exists with other keys or options, and no migration says to rebuild it.
  case indexConflict(String, String)
  /// A rebuilt index was not chosen for a query that it is for. The old one is in place.
  case indexNotUsed(String, by: String)
  /// Documents in the old form are still being written while a backfill runs. What it changed stays changed.
  case backfillOvertaken(collection: String, remaining: Int64)
  /// A migration ran, and afterwards the database is not what it declares. It counts as unfinished.
  case notVerified(String, [SchemaFinding])
  /// No migration has this id.
  case unknownID(String)
  /// Migrations that were applied after the one to go back to and that this build does not have.
  case notInThisBuild([String])
}

extension MigrationFailure: CustomStringConvertible {
  public var description: String {
    switch self {
    case .duplicates(let reports):
      "duplicates prevent unique indexes: "
        + reports.map { report in
          let samples = report.samples.map { "\($0.key.json) × \($0.count)" }.joined(separator: ", ")
          return "\(report.index.qualifiedName): \(samples)"
        }.joined(separator: "; ")
    case .invalidDocuments(let reports):
      "documents that a validator would refuse: "
        + reports.map { report in
          "\(report.collection): \(report.count), _id \(report.samples.map(\.json).joined(separator: ", "))"
        }.joined(separator: "; ")
    case .checksumChanged(let ids):
      "changed after they were applied: \(ids.joined(separator: ", ")); "
        + "an applied migration is never edited: restore it and add a new one"
    case .locked(let holder): "another runner holds the lock: \(holder)"
    case .leaseLost: "the migration lock was lost to another runner, which goes on from here"
    case .indexConflict(let index, let message):
      "index \(index) exists in another form (\(message)); only a migration that says so rebuilds it"
    case .indexNotUsed(let index, let query): "index \(index) is not used by \(query)"
    case .backfillOvertaken(let collection, let remaining):
      "\(remaining) documents of \(collection) are in the old form again: something still writes it"
    case .notVerified(let id, let findings):
      "\(id) ran, but: \(findings.map(\.description).joined(separator: "; "))"
    case .unknownID(let id): "no migration has the id \(id)"
    case .notInThisBuild(let ids): "applied, but not in this build: \(ids.joined(separator: ", "))"
    }
  }
}

/// One migration's place in the life of this database.
public struct MigrationStatus: Hashable, Sendable {
  public enum State: Hashable, Sendable {
    case pending
    case applied(at: Timestamp)
    /// Applied in another form.
    case changed(at: Timestamp)
    /// Applied by a newer or older build, unknown here.
    case foreign(at: Timestamp)
    /// A runner stopped in the middle; the next `up` finishes it.
    case unfinished
  }

  public let id: String
  public let description: String
  public let state: State
}

/// How far a long step has come.
public struct MigrationProgress: Hashable, Sendable {
  public let migration: String
  /// What is being done, in a few words.
  public let step: String
  /// Documents looked at, and about how many there are.
  public let done: Int64
  public let total: Int64
  /// Documents that were changed.
  public let changed: Int64
}
