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
  /// Indexes of the touched collections before the migration went up, by qualified name.
  let before: [String: IndexSpec]
  /// How far each backfill of the migration has come, by its place (`BackfillPlace`).
  let checkpoints: [String: BackfillCheckpoint]

  var isApplied: Bool { direction == .up && isFinished }
}

/// Which checkpoint of which migration.
struct BackfillPlace: Hashable, Sendable {
  private static let undoMark = "undo_"

  let migration: String
  /// The number of the step, marked when it is being undone: the two ways share no checkpoint.
  let key: String

  init(_ migration: String, step: Int, _ direction: MigrationDirection) {
    self.migration = migration
    key = (direction == .down ? Self.undoMark : "") + "\(step)"
  }

  static func isUndo(_ key: String) -> Bool { key.hasPrefix(undoMark) }
}

/// Where a backfill goes on.
struct BackfillCheckpoint: Hashable, Sendable {
  /// The `_id` up to which everything has been looked at; nil at the beginning.
  var after: BSONValue?
  /// Documents looked at, and changed, by all runners together.
  var seen: Int64 = 0
  var changed: Int64 = 0
}

extension MigrationRecord {
  /// `declared` are the indexes that this build's migration speaks of: earlier builds recorded only the names of those
  /// that were there before.
  init(_ document: BSONDocument, declared: [String: IndexSpec]) throws {
    id = try document.string("id")
    description = try document.string("description")
    checksum = try document.string("checksum")
    appliedAt = try document.datetime("appliedAt")
    guard let direction = MigrationDirection(rawValue: try document.string("direction")) else {
      throw MongoFailure.malformedDocument("`direction` of migration \(id)")
    }
    self.direction = direction
    isFinished = try document.bool("finished")
    var before: [String: IndexSpec] = [:]
    if document.has("before") {
      for entry in try document.documents("before") {
        let index = try BSONDocument(validating: try entry.binary("index"))
        let spec = try IndexSpec(listed: index, of: try entry.string("collection"))
        before[spec.qualifiedName] = spec
      }
    } else {
      for name in try document.strings("existing") { before[name] = declared[name] }
    }
    self.before = before
    var checkpoints: [String: BackfillCheckpoint] = [:]
    for (place, value) in try document.optionalDocument("checkpoints")?.fields() ?? [] {
      guard case .document(let checkpoint) = value else { continue }
      checkpoints[place] = try BackfillCheckpoint(checkpoint)
    }
    self.checkpoints = checkpoints
  }

  var document: BSONDocument {
    let former = before.values.sorted { $0.qualifiedName < $1.qualifiedName }
    return [
      "_id": .string(id), "id": .string(id), "description": .string(description), "checksum": .string(checksum),
      "appliedAt": .datetime(appliedAt), "direction": .string(direction.rawValue), "finished": .bool(isFinished),
      // For builds that know only the names.
      "existing": .strings(former.map(\.qualifiedName)),
      // In bytes, because names of stored fields begin with no $ and those of a partial filter may.
      "before": .documents(
        former.map {
          ["collection": .string($0.collection), "name": .string($0.name), "index": .binary($0.document.bytes)]
        }),
      "checkpoints": .document(
        BSONDocument(
          checkpoints.sorted { $0.key < $1.key }.map { ($0.key, .document($0.value.document)) })),
    ]
  }
}

extension BackfillCheckpoint {
  init(_ document: BSONDocument) throws {
    after = try document.value("after")
    seen = try document.int64("seen")
    changed = try document.int64("changed")
  }

  var document: BSONDocument {
    var document: BSONDocument = ["seen": .int64(seen), "changed": .int64(changed)]
    if let after { document.append("after", after) }
    return document
  }
}

/// A runner's hold on the lock, and how long it may still believe in it.
final class MigrationLease: Sendable {
  let fence: Int64
  private let until: Mutex<Deadline>

  init(_ held: MigrationLock.Held) {
    fence = held.fence
    until = Mutex(held.until)
  }

  func extend(to deadline: Deadline) {
    until.withLock { $0 = deadline }
  }

  func check() throws(MigrationFailure) {
    guard until.withLock({ !$0.hasPassed }) else { throw .leaseLost }
  }
}
