import Kernel

/// One backfill of one migration, in one direction, from its checkpoint to its end.
struct BackfillRun: Sendable {
  /// Documents in the old form that appear while it runs are looked for this often.
  private static let passesMax = 5

  let backfill: Backfill
  let place: BackfillPlace
  let work: MigrationWork
  /// Documents per second; nil means the migration's own pace.
  let pace: Int?

  /// Until no document is in the old form any more.
  func run() async throws {
    for _ in 1...Self.passesMax {
      var checkpoint = try await pass()
      guard try await remaining() > 0 else { return }
      checkpoint.after = nil
      try await work.store(checkpoint, place)
    }
    throw MigrationFailure.backfillOvertaken(collection: backfill.collection, remaining: try await remaining())
  }

  private func remaining() async throws -> Int64 {
    let backfill = backfill
    return try await work.database.run { try $0.count(backfill.collection, backfill.filter) }
  }

  /// Goes through the collection once, from the checkpoint on.
  func pass() async throws -> BackfillCheckpoint {
    let backfill = backfill
    let total = try await work.database.run { try $0.size(backfill.collection).documents }
    while true {
      let began = ContinuousClock.now
      let (checkpoint, count) = try await batch()
      work.report(
        MigrationProgress(
          migration: place.migration, step: "backfill \(backfill.collection)", done: checkpoint.seen, total: total,
          changed: checkpoint.changed))
      guard count == backfill.batchSize else { return checkpoint }
      let wanted = Duration.seconds(1) * Double(count) / Double(pace ?? backfill.documentsPerSecond)
      let pause = wanted - began.duration(to: .now)
      if pause > .zero { try await Task.sleep(for: pause) }
    }
  }

  /// The next batch and its checkpoint, all or nothing. Begins with the stored checkpoint, so it may be repeated when
  /// the outcome of a commit is unknown.
  private func batch() async throws -> (BackfillCheckpoint, count: Int) {
    let (backfill, place) = (backfill, place)
    return try await work.guarded { connection in
      var checkpoint = try connection.checkpoint(place)
      let ids = try connection.ids(backfill.collection, after: checkpoint.after, limit: backfill.batchSize)
      if let last = ids.last {
        let changed = try connection.change(backfill, ids)
        checkpoint.after = last
        checkpoint.seen += Int64(ids.count)
        checkpoint.changed += Int64(changed)
        try connection.store(checkpoint, place)
      }
      return (checkpoint, ids.count)
    }
  }
}

extension MongoConnection {
  /// The next ids in their order, whatever their types: a comparison in a filter would skip other types.
  fileprivate func ids(_ collection: String, after id: BSONValue?, limit: Int) throws -> [BSONValue] {
    var options: BSONDocument = ["hint": ["_id": 1]]
    if let id { options.append("min", ["_id": id]) }
    let found = try find(
      collection, sort: ["_id": 1], limit: limit + (id == nil ? 0 : 1), projection: ["_id": 1], options: options)
    let ids = try found.map { try $0.value("_id") ?? .null }
    // The lower bound is part of the range, unless its document is gone.
    return Array((ids.first == id ? ids.dropFirst() : ids[...]).prefix(limit))
  }

  fileprivate func change(_ backfill: Backfill, _ ids: [BSONValue]) throws -> Int {
    let mine: BSONDocument = ["$and": [["_id": ["$in": .array(ids)]], .document(backfill.filter)]]
    let statement: BSONDocument = ["q": .document(mine), "u": .documents(backfill.change), "multi": true]
    let reply = try run(
      ["update": .string(backfill.collection), "updates": [.document(statement)]], about: backfill.collection, .write)
    return try reply.tally("nModified")
  }

  fileprivate func checkpoint(_ place: BackfillPlace) throws -> BackfillCheckpoint {
    let record = try findOne(MigrationRunner.collection, ["_id": .string(place.migration)])
    let stored = try record?.optionalDocument("checkpoints")?.optionalDocument(place.key)
    return try stored.map { try BackfillCheckpoint($0) } ?? BackfillCheckpoint()
  }

  func store(_ checkpoint: BackfillCheckpoint, _ place: BackfillPlace) throws {
    let value = BSONDocument([("checkpoints.\(place.key)", .document(checkpoint.document))])
    try updateOne(MigrationRunner.collection, ["_id": .string(place.migration)], ["$set": .document(value)])
  }
}
