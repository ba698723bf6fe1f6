import Kernel

extension MigrationStep {
  /// Server errors for an index of the same name, or the same keys, in another form.
  private static let indexConflictCodes: Set<Int32> = [85, 86]
  private static let collectionExistsCode: Int32 = 48
  private static let indexNotFoundCodes: Set<Int32> = [26, 27]

  func applyUp(_ connection: MongoConnection) throws {
    switch self {
    case .createCollection(let name): try Self.createCollection(name, connection)
    case .createIndexes(let specs): for spec in specs { try Self.create(spec, connection) }
    case .dropIndexes(let specs): for spec in specs { try Self.drop(spec, connection) }
    case .rebuildIndex(let old, let new): try Self.rebuild(old, as: new, connection)
    case .setValidator(let collection, let validator, _): try Self.validate(collection, validator, connection)
    }
  }

  /// `existing` are the qualified names of indexes that were there before the migration went up: they stay.
  func applyDown(_ connection: MongoConnection, existing: Set<String>) throws {
    switch self {
    case .createCollection: break
    case .createIndexes(let specs):
      for spec in specs.reversed() where !existing.contains(spec.qualifiedName) { try Self.drop(spec, connection) }
    case .dropIndexes(let specs):
      for spec in specs where existing.contains(spec.qualifiedName) { try Self.create(spec, connection) }
    case .rebuildIndex(let old, let new): try Self.rebuild(new, as: old, connection)
    case .setValidator(let collection, _, let previous): try Self.validate(collection, previous, connection)
    }
  }

  /// The collections whose indexes the step touches.
  var collections: Set<String> {
    switch self {
    case .createCollection(let name), .setValidator(let name, _, _): [name]
    case .createIndexes(let specs), .dropIndexes(let specs): Set(specs.map(\.collection))
    case .rebuildIndex(let old, let new): [old.collection, new.collection]
    }
  }

  static func createCollection(_ name: String, _ connection: MongoConnection) throws {
    do {
      try connection.run(["create": .string(name)], about: name, .write)
    } catch MongoFailure.other(collectionExistsCode, _) {
      // Idempotent.
    }
  }

  static func create(_ spec: IndexSpec, _ connection: MongoConnection) throws {
    do {
      try connection.run(
        ["createIndexes": .string(spec.collection), "indexes": [.document(spec.document)]], about: spec.collection,
        .write, isTimed: false)
    } catch MongoFailure.other(let code, let message) where indexConflictCodes.contains(code) {
      throw MigrationFailure.indexConflict(spec.qualifiedName, message)
    }
  }

  private static func drop(_ spec: IndexSpec, _ connection: MongoConnection) throws {
    do {
      try connection.run(
        ["dropIndexes": .string(spec.collection), "index": .string(spec.name)], about: spec.collection, .write)
    } catch MongoFailure.other(let code, _) where indexNotFoundCodes.contains(code) {
      // Idempotent.
    }
  }

  private static func rebuild(_ old: IndexSpec, as new: IndexSpec, _ connection: MongoConnection) throws {
    do {
      try create(new, connection)
    } catch MigrationFailure.indexConflict {
      try drop(old, connection)
      try create(new, connection)
      return
    }
    if old.name != new.name { try drop(old, connection) }
  }

  private static func validate(
    _ collection: String, _ validator: BSONDocument?, _ connection: MongoConnection
  ) throws {
    try connection.run(
      ["collMod": .string(collection), "validator": .document(validator ?? [:])], about: collection, .write)
  }
}

extension MongoConnection {
  private static let namespaceNotFoundCode: Int32 = 26

  /// The names of a collection's indexes; none for a collection that does not exist.
  public func indexNames(_ collection: String) throws(MongoFailure) -> [String] {
    do {
      let reply = try run(["listIndexes": .string(collection)], about: collection, .none)
      var names: [String] = []
      for index in try reply.document("cursor").documents("firstBatch") { names.append(try index.string("name")) }
      return names
    } catch MongoFailure.other(Self.namespaceNotFoundCode, _) {
      return []
    }
  }

  /// Values that `index` would refuse, at most ten of them. Array elements count one by one, as in the index.
  func duplicates(against index: IndexSpec) throws -> DuplicateReport? {
    let fields = try index.keys.fields().map(\.key)
    var pipeline: [BSONDocument] = []
    if let filter = index.partialFilter { pipeline.append(["$match": .document(filter)]) }
    for path in Set(fields.flatMap(Self.prefixes)).sorted() {
      pipeline.append(["$unwind": ["path": .string("$" + path), "preserveNullAndEmptyArrays": true]])
    }
    let key = BSONDocument(
      fields.enumerated().map { ("k\($0.offset)", ["$ifNull": [.string("$" + $0.element), .null]]) })
    // First per document, because one document may repeat a value in an array.
    pipeline.append(["$group": ["_id": ["key": .document(key), "document": "$_id"]]])
    pipeline.append(["$group": ["_id": "$_id.key", "count": ["$sum": 1]]])
    pipeline.append(["$match": ["count": ["$gt": 1]]])
    pipeline.append(["$limit": 10])
    let found = try aggregate(index.collection, pipeline, options: ["allowDiskUse": true])
    guard !found.isEmpty else { return nil }
    let samples = try found.map { row in
      let values = try row.document("_id")
      let named = try fields.enumerated().map { ($0.element, try values.value("k\($0.offset)") ?? .null) }
      return DuplicateReport.Sample(key: BSONDocument(named), count: try row.int64("count"))
    }
    return DuplicateReport(index: index, samples: samples)
  }

  /// `a.b.c` → `a`, `a.b`, `a.b.c`.
  private static func prefixes(_ path: String) -> [String] {
    let parts = path.split(separator: ".")
    return (1...max(1, parts.count)).map { parts.prefix($0).joined(separator: ".") }
  }
}
