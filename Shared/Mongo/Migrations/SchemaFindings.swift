import Kernel

/// One place where a database is not what its applied migrations declare.
public struct SchemaFinding: Hashable, Sendable {
  public enum Problem: String, Hashable, Sendable {
    case pending
    case unfinished
    /// The migration was edited after it was applied.
    case changed
    case missingCollection = "missing collection"
    case undeclaredCollection = "undeclared collection"
    case missingIndex = "missing index"
    case undeclaredIndex = "undeclared index"
    /// Other keys, other options, or hidden.
    case otherIndex = "other index"
    case missingValidator = "missing validator"
    case undeclaredValidator = "undeclared validator"
    case otherValidator = "other validator"
    /// Documents that a backfill should have changed.
    case oldDocuments = "documents in the old form"
  }

  public let problem: Problem
  /// A migration's id, a collection, or `collection.index`.
  public let subject: String
  /// What exactly is otherwise; may be empty.
  public let detail: String

  /// Whether it is about the schema and not about the state of the migrations.
  public var isDrift: Bool { ![.pending, .unfinished, .changed].contains(problem) }
}

extension SchemaFinding: CustomStringConvertible {
  public var description: String { "\(problem.rawValue) \(subject)" + (detail.isEmpty ? "" : " (\(detail))") }
}

/// What a list of applied migrations comes to.
struct DeclaredSchema: Sendable {
  private(set) var collections: Set<String> = []
  private(set) var indexes: [String: IndexSpec] = [:]
  private(set) var validators: [String: BSONDocument] = [:]
  /// Indexes that were declared and taken back.
  private(set) var dropped: Set<String> = []
  private(set) var backfills: [Backfill] = []

  init(_ migrations: [Migration]) {
    for step in migrations.flatMap(\.up) { add(step) }
  }

  private mutating func add(_ step: MigrationStep) {
    collections.formUnion(step.collections)
    switch step {
    case .createCollection: break
    case .createIndexes(let specs): for spec in specs { declare(spec) }
    case .dropIndexes(let specs): for spec in specs { drop(spec) }
    case .rebuildIndex(let old, let new, _):
      drop(old)
      declare(new)
    case .setValidator(let collection, let validator, _): validators[collection] = validator
    case .backfill(let backfill): backfills.append(backfill)
    }
  }

  private mutating func declare(_ spec: IndexSpec) {
    indexes[spec.qualifiedName] = spec
    dropped.remove(spec.qualifiedName)
  }

  private mutating func drop(_ spec: IndexSpec) {
    indexes[spec.qualifiedName] = nil
    dropped.insert(spec.qualifiedName)
  }
}

/// Verifying and finding drift. Nothing is changed.
extension MigrationRunner {
  /// Whether everything is applied unchanged, and whether its effects are all there: collections, indexes, validators,
  /// and no document that a backfill should have changed. What else there is does not matter.
  public func verify() async throws -> [SchemaFinding] {
    let applied = try await appliedMigrations()
    let states = try await status().compactMap { status -> SchemaFinding? in
      let problem: SchemaFinding.Problem
      switch status.state {
      case .applied, .foreign: return nil
      case .pending: problem = .pending
      case .unfinished: problem = .unfinished
      case .changed: problem = .changed
      }
      return SchemaFinding(problem: problem, subject: status.id, detail: status.description)
    }
    let schema = DeclaredSchema(applied)
    return states + (try await missing(schema)) + (try await oldDocuments(schema))
  }

  /// Every difference between the database and what the applied migrations declare, in both directions: indexes,
  /// validators and collections that are missing, otherwise, or of nobody's making.
  public func drift() async throws -> [SchemaFinding] {
    let schema = DeclaredSchema(try await appliedMigrations())
    return try await missing(schema) + undeclared(schema)
  }

  /// Whether one migration did what it declares.
  func findings(of migration: Migration) async throws -> [SchemaFinding] {
    let schema = DeclaredSchema([migration])
    let leftover = try await database.run { connection in
      try Set(schema.dropped.compactMap { $0.split(separator: ".").first.map(String.init) }).flatMap { collection in
        try connection.indexNames(collection).map { "\(collection).\($0)" }.filter(schema.dropped.contains)
      }
    }
    return try await missing(schema)
      + leftover.sorted().map {
        SchemaFinding(problem: .undeclaredIndex, subject: $0, detail: "was to be dropped")
      }
  }

  private func appliedMigrations() async throws -> [Migration] {
    let records = try await records()
    return migrations.filter { records[$0.id]?.isApplied == true }
  }

  private func missing(_ schema: DeclaredSchema) async throws -> [SchemaFinding] {
    try await database.run { connection in
      let validators = try connection.validators()
      var findings: [SchemaFinding] = []
      for collection in schema.collections.sorted() where validators[collection] == nil {
        findings.append(SchemaFinding(problem: .missingCollection, subject: collection, detail: ""))
      }
      for (collection, wanted) in schema.validators.sorted(by: { $0.key < $1.key }) {
        guard let present = validators[collection] else { continue }
        if present == nil {
          findings.append(SchemaFinding(problem: .missingValidator, subject: collection, detail: ""))
        } else if let present, present.canonical != wanted.canonical {
          findings.append(SchemaFinding(problem: .otherValidator, subject: collection, detail: present.json))
        }
      }
      for collection in Set(schema.indexes.values.map(\.collection)).sorted() {
        let listed = try connection.indexes(collection)
        let wanted = schema.indexes.values.filter { $0.collection == collection }.sorted { $0.name < $1.name }
        for spec in wanted { findings += try Self.compare(spec, listed) }
      }
      return findings
    }
  }

  private static func compare(_ spec: IndexSpec, _ listed: [BSONDocument]) throws -> [SchemaFinding] {
    guard let found = try listed.first(where: { try $0.string("name") == spec.name }) else {
      return [SchemaFinding(problem: .missingIndex, subject: spec.qualifiedName, detail: spec.document.json)]
    }
    let differences = spec.differences(from: found)
    guard !differences.isEmpty else { return [] }
    return [
      SchemaFinding(
        problem: .otherIndex, subject: spec.qualifiedName,
        detail: "\(differences.joined(separator: ", ")): \(found.json)")
    ]
  }

  private func undeclared(_ schema: DeclaredSchema) async throws -> [SchemaFinding] {
    try await database.run { connection in
      var findings: [SchemaFinding] = []
      for (collection, validator) in try connection.validators().sorted(by: { $0.key < $1.key }) {
        let isOwn = collection == Self.collection
        guard isOwn || schema.collections.contains(collection) else {
          findings.append(SchemaFinding(problem: .undeclaredCollection, subject: collection, detail: ""))
          continue
        }
        if validator != nil, schema.validators[collection] == nil {
          findings.append(SchemaFinding(problem: .undeclaredValidator, subject: collection, detail: ""))
        }
        let declared = isOwn ? [Self.recordIndex.qualifiedName: Self.recordIndex] : schema.indexes
        for listed in try connection.indexes(collection) {
          let name = "\(collection).\(try listed.string("name"))"
          guard name != "\(collection)._id_", declared[name] == nil else { continue }
          findings.append(SchemaFinding(problem: .undeclaredIndex, subject: name, detail: listed.json))
        }
      }
      return findings
    }
  }

  private func oldDocuments(_ schema: DeclaredSchema) async throws -> [SchemaFinding] {
    try await database.run { connection in
      var findings: [SchemaFinding] = []
      for backfill in schema.backfills {
        let count = try connection.count(backfill.collection, backfill.filter)
        guard count > 0 else { continue }
        findings.append(
          SchemaFinding(
            problem: .oldDocuments, subject: backfill.collection, detail: "\(count), \(backfill.filter.json)"))
      }
      return findings
    }
  }
}
