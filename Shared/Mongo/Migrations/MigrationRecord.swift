import Kernel
import Synchronization

/// A row of `schema_migrations`.
struct MigrationRecord: Sendable {
  let id: String
  let description: String
  let checksum: String
  var appliedAt: Timestamp
  let direction: MigrationDirection
  /// False while its steps run.
  var isFinished: Bool
  /// Indexes of the touched collections before the migration went up.
  let existing: Set<String>

  var isApplied: Bool { direction == .up && isFinished }
}

extension MigrationRecord {
  init(_ document: BSONDocument) throws(MongoFailure) {
    id = try document.string("id")
    description = try document.string("description")
    checksum = try document.string("checksum")
    appliedAt = try document.datetime("appliedAt")
    guard let direction = MigrationDirection(rawValue: try document.string("direction")) else {
      throw .malformedDocument("`direction` of migration \(id)")
    }
    self.direction = direction
    isFinished = try document.bool("finished")
    existing = Set(try document.strings("existing"))
  }

  var document: BSONDocument {
    [
      "_id": .string(id), "id": .string(id), "description": .string(description), "checksum": .string(checksum),
      "appliedAt": .datetime(appliedAt), "direction": .string(direction.rawValue), "finished": .bool(isFinished),
      "existing": .strings(existing.sorted()),
    ]
  }
}

/// How long the runner may still believe in its lock.
final class MigrationLease: Sendable {
  private let until: Mutex<Deadline>

  init(_ until: Deadline) {
    self.until = Mutex(until)
  }

  func extend(to deadline: Deadline) {
    until.withLock { $0 = deadline }
  }

  func check() throws(MigrationFailure) {
    guard until.withLock({ !$0.hasPassed }) else { throw .leaseLost }
  }
}
