import Kernel

/// Commands about collections and indexes. All of them may be repeated.
extension MongoConnection {
  private static let namespaceNotFoundCode: Int32 = 26
  private static let indexNotFoundCode: Int32 = 27
  private static let collectionExistsCode: Int32 = 48
  /// For an index of the same name, or the same keys, in another form.
  private static let indexConflictCodes: Set<Int32> = [85, 86]

  func createCollection(_ name: String) throws(MongoFailure) {
    do {
      try run(["create": .string(name)], about: name, .write)
    } catch MongoFailure.other(Self.collectionExistsCode, _) {
      // As wanted.
    }
  }

  /// Waits until the index is built, however long that takes.
  func createIndex(_ spec: IndexSpec) throws {
    do {
      try run(spec.creation, about: spec.collection, .write, isTimed: false)
    } catch MongoFailure.other(let code, let message) where Self.indexConflictCodes.contains(code) {
      throw MigrationFailure.indexConflict(spec.qualifiedName, message)
    }
  }

  func dropIndex(_ spec: IndexSpec) throws(MongoFailure) {
    do {
      try run(spec.removal, about: spec.collection, .write)
    } catch MongoFailure.other(let code, _) where [Self.namespaceNotFoundCode, Self.indexNotFoundCode].contains(code) {
      // As wanted.
    }
  }

  /// Hidden means kept up to date and enforced, but used by no query. An index that is not there stays so.
  func hideIndex(_ spec: IndexSpec, _ isHidden: Bool) throws(MongoFailure) {
    do {
      try run(
        [
          "collMod": .string(spec.collection), "index": ["name": .string(spec.name), "hidden": .bool(isHidden)],
        ], about: spec.collection, .write)
    } catch MongoFailure.other(let code, _) where [Self.namespaceNotFoundCode, Self.indexNotFoundCode].contains(code) {
      // Nothing to hide.
    }
  }

  func setValidator(_ collection: String, _ validator: BSONDocument?) throws(MongoFailure) {
    try run(Self.validation(collection, validator), about: collection, .write)
  }

  static func validation(_ collection: String, _ validator: BSONDocument?) -> BSONDocument {
    [
      "collMod": .string(collection), "validator": .document(validator ?? [:]), "validationLevel": "strict",
      "validationAction": "error",
    ]
  }

  /// A collection's indexes as the server lists them; none for a collection that does not exist.
  public func indexes(_ collection: String) throws(MongoFailure) -> [BSONDocument] {
    do {
      // A collection has at most 64 indexes: they come in one batch.
      let reply = try run(["listIndexes": .string(collection)], about: collection, .none)
      return try reply.document("cursor").documents("firstBatch")
    } catch MongoFailure.other(Self.namespaceNotFoundCode, _) {
      return []
    }
  }

  /// The names of a collection's indexes; none for a collection that does not exist.
  public func indexNames(_ collection: String) throws(MongoFailure) -> [String] {
    var names: [String] = []
    for index in try indexes(collection) { names.append(try index.string("name")) }
    return names
  }

  /// The collections of this database and their validators; an empty one counts as none.
  func validators() throws(MongoFailure) -> [String: BSONDocument?] {
    let reply = try run(
      ["listCollections": 1, "filter": ["type": "collection"], "cursor": ["batchSize": 10_000]], about: "", .none)
    var found: [String: BSONDocument?] = [:]
    for collection in try reply.document("cursor").documents("firstBatch") {
      let name = try collection.string("name")
      guard !name.hasPrefix("system.") else { continue }
      let validator = try collection.optionalDocument("options")?.optionalDocument("validator")
      found[name] = .some(validator.flatMap { $0.isEmpty ? nil : $0 })
    }
    return found
  }

  /// The indexes by which the server would answer a query now.
  public func indexesUsed(_ collection: String, _ query: IndexQuery) throws(MongoFailure) -> Set<String> {
    try winningPlan(collection, query).names(of: "indexName")
  }

  /// How the server would answer a query now: the plan that it chose, as `explain` tells it.
  public func winningPlan(_ collection: String, _ query: IndexQuery) throws(MongoFailure) -> BSONDocument {
    var find: BSONDocument = ["find": .string(collection), "filter": .document(query.filter)]
    if let sort = query.sort { find.append("sort", .document(sort)) }
    let reply = try run(
      ["explain": .document(find), "verbosity": "queryPlanner"], about: collection, .none)
    return try reply.document("queryPlanner").document("winningPlan")
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

  /// Documents that a validator would refuse.
  func invalid(_ collection: String, _ validator: BSONDocument) throws -> InvalidReport? {
    let refused: BSONDocument = ["$nor": [.document(validator)]]
    let samples = try find(collection, refused, limit: 10, projection: ["_id": 1])
    guard !samples.isEmpty else { return nil }
    return InvalidReport(
      collection: collection, count: try count(collection, refused),
      samples: try samples.map { try $0.value("_id") ?? .null })
  }

  /// About how many documents a collection has, and their bytes; nothing for one that does not exist.
  func size(_ collection: String) throws(MongoFailure) -> (documents: Int64, bytes: Int64) {
    let reply = try run(["collStats": .string(collection)], about: collection, .none)
    return (Int64(try reply.tally("count")), Int64(try reply.tally("size")))
  }
}

extension IndexSpec {
  var creation: BSONDocument {
    ["createIndexes": .string(collection), "indexes": [.document(document)]]
  }

  var removal: BSONDocument {
    ["dropIndexes": .string(collection), "index": .string(name)]
  }
}

extension BSONDocument {
  /// The texts of all fields of this name, at any depth.
  public func names(of key: String) throws(MongoFailure) -> Set<String> {
    var found: Set<String> = []
    for field in try fields() {
      if field.key == key, case .string(let text) = field.value { found.insert(text) }
      switch field.value {
      case .document(let document): found.formUnion(try document.names(of: key))
      case .array(let values):
        for case .document(let document) in values { found.formUnion(try document.names(of: key)) }
      default: break
      }
    }
    return found
  }
}
