/// What an update did.
public struct UpdateResult: Hashable, Sendable {
  public let matched: Int
  public let modified: Int
  /// The `_id` of the document that an upsert inserted.
  public let upsertedID: BSONValue?

  public init(matched: Int, modified: Int, upsertedID: BSONValue? = nil) {
    self.matched = matched
    self.modified = modified
    self.upsertedID = upsertedID
  }
}

/// One statement of a bulk update.
public struct UpdateStatement: Hashable, Sendable {
  public let filter: BSONDocument
  public let update: BSONDocument
  public let upsert: Bool
  public let multi: Bool

  public init(_ filter: BSONDocument, _ update: BSONDocument, upsert: Bool = false, multi: Bool = false) {
    self.filter = filter
    self.update = update
    self.upsert = upsert
    self.multi = multi
  }

  var document: BSONDocument {
    ["q": .document(filter), "u": .document(update), "upsert": .bool(upsert), "multi": .bool(multi)]
  }
}

extension MongoConnection {
  /// A document without `_id` gets one from the server.
  public func insertOne(_ collection: String, _ document: BSONDocument) throws(MongoFailure) {
    try insertMany(collection, [document])
  }

  /// In order, stopping at the first failure. Outside a transaction the ones before it stay.
  public func insertMany(_ collection: String, _ documents: [BSONDocument]) throws(MongoFailure) {
    for document in documents { try refuseOperators(document, BSONValidation.hasOperators(document)) }
    for chunk in Self.chunks(documents) {
      try run(["insert": .string(collection), "documents": .documents(chunk)], about: collection, .write)
    }
  }

  /// Inserts what is not there yet and leaves the rest alone: a duplicate key is an answer here, not a failure.
  /// Returns, for each document, whether it was inserted. Not inside a transaction, which a duplicate would abort.
  public func insertMissing(_ collection: String, _ documents: [BSONDocument]) throws(MongoFailure) -> [Bool] {
    precondition(!isInTransaction, "a duplicate key aborts a transaction")
    for document in documents { try refuseOperators(document, BSONValidation.hasOperators(document)) }
    var inserted: [Bool] = []
    for chunk in Self.chunks(documents) {
      inserted += try insertMissing(chunk: chunk, collection)
    }
    return inserted
  }

  @discardableResult
  public func updateOne(
    _ collection: String, _ filter: BSONDocument, _ update: BSONDocument, upsert: Bool = false
  ) throws(MongoFailure) -> UpdateResult {
    try self.update(collection, [UpdateStatement(filter, update, upsert: upsert)])
  }

  @discardableResult
  public func updateMany(
    _ collection: String, _ filter: BSONDocument, _ update: BSONDocument, upsert: Bool = false
  ) throws(MongoFailure) -> UpdateResult {
    try self.update(collection, [UpdateStatement(filter, update, upsert: upsert, multi: true)])
  }

  /// Replaces the whole document except its `_id`.
  @discardableResult
  public func replaceOne(
    _ collection: String, _ filter: BSONDocument, _ replacement: BSONDocument, upsert: Bool = false
  ) throws(MongoFailure) -> UpdateResult {
    try refuseOperators(replacement, BSONValidation.hasOperators(replacement))
    return try self.update(collection, [UpdateStatement(filter, replacement, upsert: upsert)])
  }

  /// An update computed by the server from the document itself and its clock (`$$NOW`): leases only.
  @discardableResult
  public func updateOne(
    _ collection: String, _ filter: BSONDocument, pipeline: [BSONDocument], upsert: Bool = false
  ) throws(MongoFailure) -> UpdateResult {
    let statement: BSONDocument = [
      "q": .document(filter), "u": .documents(pipeline), "upsert": .bool(upsert), "multi": false,
    ]
    return try update(collection, documents: [statement], ordered: true)
  }

  /// Many statements in one round trip; the server reports only their sums.
  @discardableResult
  public func update(
    _ collection: String, _ statements: [UpdateStatement], ordered: Bool = true
  ) throws(MongoFailure) -> UpdateResult {
    for statement in statements {
      try refuseOperators(statement.update, BSONValidation.storesOperators(update: statement.update))
    }
    return try update(collection, documents: statements.map(\.document), ordered: ordered)
  }

  @discardableResult
  public func deleteOne(_ collection: String, _ filter: BSONDocument) throws(MongoFailure) -> Int {
    try delete(collection, filter, limit: 1)
  }

  @discardableResult
  public func deleteMany(_ collection: String, _ filter: BSONDocument) throws(MongoFailure) -> Int {
    try delete(collection, filter, limit: 0)
  }

  /// The document before or after the update; nil if nothing matched (or was upserted with `returnNew` false).
  @discardableResult
  public func findOneAndUpdate(
    _ collection: String, _ filter: BSONDocument, _ update: BSONDocument, sort: BSONDocument? = nil,
    projection: BSONDocument? = nil, upsert: Bool = false, returnNew: Bool = true
  ) throws(MongoFailure) -> BSONDocument? {
    try refuseOperators(update, BSONValidation.storesOperators(update: update))
    return try findAndModify(collection, filter, .document(update), sort, projection, upsert, returnNew)
  }

  /// The same with an aggregation pipeline.
  @discardableResult
  public func findOneAndUpdate(
    _ collection: String, _ filter: BSONDocument, pipeline: [BSONDocument], sort: BSONDocument? = nil,
    projection: BSONDocument? = nil, upsert: Bool = false, returnNew: Bool = true
  ) throws(MongoFailure) -> BSONDocument? {
    try findAndModify(collection, filter, .documents(pipeline), sort, projection, upsert, returnNew)
  }

  private func findAndModify(
    _ collection: String, _ filter: BSONDocument, _ update: BSONValue, _ sort: BSONDocument?,
    _ projection: BSONDocument?, _ upsert: Bool, _ returnNew: Bool
  ) throws(MongoFailure) -> BSONDocument? {
    var command: BSONDocument = [
      "findAndModify": .string(collection), "query": .document(filter), "update": update, "new": .bool(returnNew),
      "upsert": .bool(upsert),
    ]
    if let sort { command.append("sort", .document(sort)) }
    if let projection { command.append("fields", .document(projection)) }
    return try run(command, about: collection, .write).optionalDocument("value")
  }

  private func update(
    _ collection: String, documents: [BSONDocument], ordered: Bool
  ) throws(MongoFailure) -> UpdateResult {
    guard !documents.isEmpty else { return UpdateResult(matched: 0, modified: 0, upsertedID: nil) }
    let reply = try run(
      ["update": .string(collection), "updates": .documents(documents), "ordered": .bool(ordered)],
      about: collection, .write)
    let upserted = try reply.optionalDocuments("upserted")
    return UpdateResult(
      // `n` counts upserted documents too.
      matched: try reply.tally("n") - upserted.count, modified: try reply.tally("nModified"),
      upsertedID: try upserted.first?.value("_id"))
  }

  private func delete(_ collection: String, _ filter: BSONDocument, limit: Int32) throws(MongoFailure) -> Int {
    let reply = try run(
      ["delete": .string(collection), "deletes": [["q": .document(filter), "limit": .int32(limit)]]],
      about: collection, .write)
    return try reply.tally("n")
  }

  private func insertMissing(chunk: [BSONDocument], _ collection: String) throws(MongoFailure) -> [Bool] {
    let reply = try run(
      ["insert": .string(collection), "documents": .documents(chunk), "ordered": false], about: collection, .write,
      toleratesDuplicates: true)
    var inserted = [Bool](repeating: true, count: chunk.count)
    for error in try reply.optionalDocuments("writeErrors") {
      let index = try error.tally("index")
      if inserted.indices.contains(index) { inserted[index] = false }
    }
    return inserted
  }

  private func refuseOperators(_ document: BSONDocument, _ found: Bool) throws(MongoFailure) {
    guard document.isUsable, !found else {
      throw .malformedDocument("a stored field name begins with $, or the document is not usable")
    }
    guard document.bytes.count <= BSONValidation.storedBytesMax else {
      throw .malformedDocument("a document to be stored is larger than 16 MiB")
    }
  }

  private static func chunks(_ documents: [BSONDocument]) -> [[BSONDocument]] {
    var chunks: [[BSONDocument]] = []
    var chunk: [BSONDocument] = []
    var bytes = 0
    for document in documents {
      let isFull = bytes + document.bytes.count > Limits.insertBytesMax || chunk.count == Limits.insertDocumentsMax
      if isFull, !chunk.isEmpty {
        chunks.append(chunk)
        chunk = []
        bytes = 0
      }
      chunk.append(document)
      bytes += document.bytes.count
    }
    if !chunk.isEmpty { chunks.append(chunk) }
    return chunks
  }
}
