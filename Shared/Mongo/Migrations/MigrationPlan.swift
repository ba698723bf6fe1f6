import Kernel

/// What a run would do.
public struct PlannedMigration: Hashable, Sendable {
  public let id: String
  public let description: String
  public let direction: MigrationDirection
  public let steps: [PlannedStep]

  /// All commands, in order.
  public var commands: [String] { steps.flatMap(\.commands) }
}

public struct PlannedStep: Hashable, Sendable {
  /// As the shell takes them: `db.runCommand({...})`.
  public let commands: [String]
  /// What the commands are about, counted now: documents, bytes, duplicates.
  public let effects: [String]
  /// Whether `up` would refuse because of it.
  public let isRefused: Bool
}

extension MigrationRunner {
  /// What `up` would do.
  public func plan(upTo id: String? = nil) async throws -> [PlannedMigration] {
    let pending = try pending(upTo: id, await records())
    // After a backfill, what is found in its collection now may be what it mends.
    var backfilled: Set<String> = []
    var plans: [PlannedMigration] = []
    for migration in pending {
      var steps: [PlannedStep] = []
      for step in migration.up {
        if case .backfill(let backfill) = step { backfilled.insert(backfill.collection) }
        steps.append(try await planned(step, isFinal: backfilled.isDisjoint(with: step.collections)))
      }
      plans.append(
        PlannedMigration(id: migration.id, description: migration.description, direction: .up, steps: steps))
    }
    return plans
  }

  /// What `down` would do.
  public func plan(downTo id: String) async throws -> [PlannedMigration] {
    let records = try await records()
    return try applied(after: id, records).map { migration in
      let before = records[migration.id]?.before ?? [:]
      return PlannedMigration(
        id: migration.id, description: migration.description, direction: .down,
        steps: migration.up.reversed().map { step in
          PlannedStep(commands: step.commandsDown(before).map(Self.shell), effects: [], isRefused: false)
        })
    }
  }

  private static func shell(_ command: BSONDocument) -> String { "db.runCommand(\(command.json))" }

  private func planned(_ step: MigrationStep, isFinal: Bool) async throws -> PlannedStep {
    let pace = options.documentsPerSecond
    return try await database.run { connection in
      var effects: [String] = []
      var isRefused = false
      for collection in Set(step.builtIndexes.map(\.collection)).sorted() {
        let (documents, bytes) = try connection.size(collection)
        effects.append("\(collection): \(documents) documents, \(bytes) bytes")
      }
      for index in step.builtIndexes where index.unique {
        guard let report = try connection.duplicates(against: index) else { continue }
        isRefused = isFinal
        effects.append("\(MigrationFailure.duplicates([report]))")
      }
      switch step {
      case .setValidator(let collection, let validator?, _):
        let (documents, _) = try connection.size(collection)
        effects.append("\(collection): \(documents) documents are checked against it")
        if let report = try connection.invalid(collection, validator) {
          isRefused = isFinal
          effects.append("\(MigrationFailure.invalidDocuments([report]))")
        }
      case .backfill(let backfill):
        let count = try connection.count(backfill.collection, backfill.filter)
        let (documents, _) = try connection.size(backfill.collection)
        let seconds = documents / Int64(pace ?? backfill.documentsPerSecond)
        effects.append(
          "\(backfill.collection): \(count) of \(documents) documents are changed, in about \(seconds + 1) s")
      case .createCollection, .createIndexes, .dropIndexes, .rebuildIndex, .setValidator: break
      }
      return PlannedStep(commands: step.commandsUp.map(Self.shell), effects: effects, isRefused: isRefused)
    }
  }
}

extension MigrationStep {
  fileprivate var commandsUp: [BSONDocument] {
    switch self {
    case .createCollection(let name): [["create": .string(name)]]
    case .createIndexes(let specs): specs.map(\.creation)
    case .dropIndexes(let specs): specs.map(\.removal)
    case .rebuildIndex(let old, let new, _): Self.rebuild(old, new)
    case .setValidator(let collection, let validator, _): [MongoConnection.validation(collection, validator)]
    case .backfill(let backfill): [Self.update(backfill.collection, backfill.filter, backfill.change)]
    }
  }

  fileprivate func commandsDown(_ before: [String: IndexSpec]) -> [BSONDocument] {
    switch self {
    case .createCollection: []
    case .createIndexes(let specs): specs.reversed().filter { before[$0.qualifiedName] == nil }.map(\.removal)
    case .dropIndexes(let specs): specs.compactMap { before[$0.qualifiedName]?.creation }
    case .rebuildIndex(let old, let new, _):
      before[old.qualifiedName].map { Self.rebuild(new, $0) } ?? [new.removal]
    case .setValidator(let collection, _, let previous): [MongoConnection.validation(collection, previous)]
    case .backfill(let backfill): backfill.undo.map { [Self.update(backfill.collection, [:], $0)] } ?? []
    }
  }

  private static func rebuild(_ old: IndexSpec, _ new: IndexSpec) -> [BSONDocument] {
    guard let bridge = IndexRebuild.bridge(from: old, to: new) else { return [new.creation, old.removal] }
    return [bridge.creation, old.removal, new.creation, bridge.removal]
  }

  private static func update(
    _ collection: String, _ filter: BSONDocument, _ pipeline: [BSONDocument]
  ) -> BSONDocument {
    let statement: BSONDocument = ["q": .document(filter), "u": .documents(pipeline), "multi": true]
    return ["update": .string(collection), "updates": [.document(statement)]]
  }
}
