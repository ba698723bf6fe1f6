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

/// Why migrations stopped. Nothing was changed unless it says so.
public enum MigrationFailure: Error, Sendable {
  case duplicates([DuplicateReport])
  /// Migrations that were applied in another form than this build has them.
  case checksumChanged([String])
  /// Another runner worked for longer than this one was willing to wait.
  case locked(holder: String)
  /// The lease was lost while working; the other runner continues from the records.
  case leaseLost
  /// An index of this name exists with other keys or options, and no migration says to rebuild it.
  case indexConflict(String, String)
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
          let samples = report.samples.map { "\($0.key) × \($0.count)" }.joined(separator: ", ")
          return "\(report.index.qualifiedName): \(samples)"
        }.joined(separator: "; ")
    case .checksumChanged(let ids): "changed after they were applied: \(ids.joined(separator: ", "))"
    case .locked(let holder): "another runner holds the lock: \(holder)"
    case .leaseLost: "the migration lock was lost"
    case .indexConflict(let index, let message): "index \(index) exists in another form: \(message)"
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

/// What a run would do.
public struct PlannedMigration: Hashable, Sendable {
  public let id: String
  public let direction: MigrationDirection
  public let commands: [String]
}
