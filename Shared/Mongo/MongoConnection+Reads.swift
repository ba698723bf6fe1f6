extension MongoConnection {
  public func findOne(
    _ collection: String, _ filter: BSONDocument, sort: BSONDocument? = nil, projection: BSONDocument? = nil
  ) throws(MongoFailure) -> BSONDocument? {
    try find(collection, filter, sort: sort, limit: 1, projection: projection).first
  }

  /// Every match, at most `limit`. Without a limit the result is as large as the collection: only for what is bounded
  /// by its filter.
  ///
  /// `options` are further fields of the find command (`skip`, `hint`, `collation`).
  public func find(
    _ collection: String, _ filter: BSONDocument = [:], sort: BSONDocument? = nil, limit: Int? = nil,
    projection: BSONDocument? = nil, options: BSONDocument = [:]
  ) throws(MongoFailure) -> [BSONDocument] {
    var found: [BSONDocument] = []
    try each(collection, filter, sort: sort, limit: limit, projection: projection, options: options) {
      (document) throws(MongoFailure) in found.append(document)
    }
    return found
  }

  /// Calls `body` for every match, batch by batch, so that a large result is never in memory as a whole.
  public func each(
    _ collection: String, _ filter: BSONDocument = [:], sort: BSONDocument? = nil, limit: Int? = nil,
    projection: BSONDocument? = nil, options: BSONDocument = [:],
    _ body: (BSONDocument) throws(MongoFailure) -> Void
  ) throws(MongoFailure) {
    if let limit, limit <= 0 { return }
    var command: BSONDocument = ["find": .string(collection), "filter": .document(filter)]
    if let sort { command.append("sort", .document(sort)) }
    if let projection { command.append("projection", .document(projection)) }
    let batch = limit.map { min(Int64($0), Limits.batchSize) } ?? Limits.batchSize
    if let limit {
      command.append("limit", .int64(Int64(limit)))
      command.append("singleBatch", .bool(Int64(limit) <= Limits.batchSize))
    }
    command.append("batchSize", .int64(batch))
    command.append(contentsOf: options)
    try drain(try run(command, about: collection, .read), collection, body)
  }

  public func aggregate(
    _ collection: String, _ pipeline: [BSONDocument], options: BSONDocument = [:]
  ) throws(MongoFailure) -> [BSONDocument] {
    var command: BSONDocument = [
      "aggregate": .string(collection), "pipeline": .documents(pipeline),
      "cursor": ["batchSize": .int64(Limits.batchSize)],
    ]
    command.append(contentsOf: options)
    var found: [BSONDocument] = []
    try drain(try run(command, about: collection, .read), collection) { (document) throws(MongoFailure) in
      found.append(document)
    }
    return found
  }

  /// The number of matches, counted up to `limit`.
  public func count(
    _ collection: String, _ filter: BSONDocument = [:], limit: Int64? = nil
  ) throws(MongoFailure) -> Int64 {
    var pipeline: [BSONDocument] = [["$match": .document(filter)]]
    if let limit { pipeline.append(["$limit": .int64(max(1, limit))]) }
    pipeline.append(["$count": "n"])
    return try aggregate(collection, pipeline).first?.int64("n") ?? 0
  }

  /// Reads a cursor to its end. Closes it at the server if the caller is gone or `body` throws.
  private func drain(
    _ first: BSONDocument, _ collection: String, _ body: (BSONDocument) throws(MongoFailure) -> Void
  ) throws(MongoFailure) {
    var (cursor, documents) = try Self.batch(first, "firstBatch")
    while true {
      do {
        for document in documents { try body(document) }
        if cursor == 0 { return }
        try check()
      } catch {
        if cursor != 0 { close(cursor, collection) }
        throw error
      }
      let reply = try run(
        ["getMore": .int64(cursor), "collection": .string(collection), "batchSize": .int64(Limits.batchSize)],
        about: collection, .none, isTimed: false)
      (cursor, documents) = try Self.batch(reply, "nextBatch")
    }
  }

  private func close(_ cursor: Int64, _ collection: String) {
    // The server closes it by itself after ten minutes: a failure here changes nothing.
    _ = try? client.command(
      ["killCursors": .string(collection), "cursors": [.int64(cursor)]], database: database, session: session,
      within: Limits.interruptionMax)
  }

  private static func batch(
    _ reply: BSONDocument, _ key: String
  ) throws(MongoFailure) -> (cursor: Int64, documents: [BSONDocument]) {
    let cursor = try reply.document("cursor")
    return (try cursor.int64("id"), try cursor.documents(key))
  }
}
