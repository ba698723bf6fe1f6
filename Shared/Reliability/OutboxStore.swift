import Kernel
import Mongo

/// The relay's view of the outbox. All times in it are the database's.
struct OutboxStore: Sendable {
  /// Documents per round that have not been tried before; and of those whose pause is over.
  static let pageMax = 200
  static let dueMax = 50
  /// Documents in their pauses. Beyond that, nothing new is begun until some have ended: the receiver refuses
  /// everybody, and each of them is a document that others must not overtake.
  static let delayedMax = 1_000
  /// Counted up to here.
  static let backlogMax: Int64 = 100_000

  let database: MongoDatabase

  /// What may be delivered now.
  struct Page: Sendable {
    /// Each aggregate by ascending `seq`, without a gap at its beginning.
    var documents: [OutboxDocument] = []
    /// Documents that nobody can deliver.
    var unreadable: [BSONValue] = []
    /// There is more that may be delivered now.
    var isFull = false
    /// Documents that wait for their pause to end, and until the first of them has ended.
    var delayed = 0
    var nextDue: Duration?
  }

  /// A document between two attempts.
  private struct Delayed {
    let id: BSONValue
    let aggregate: String?
    let wait: Duration
    var isDue: Bool { wait <= .zero }
  }

  func page() async throws -> Page {
    try await database.run { connection in
      let delayed = try Self.delayed(connection)
      let due = delayed.lazy.filter(\.isDue).prefix(Self.dueMax).map(\.id)
      let dueIDs = Set(due)
      var page = Page()
      page.delayed = delayed.count - dueIDs.count
      page.nextDue = delayed.first { !dueIDs.contains($0.id) }.map { max($0.wait, .zero) }
      if !dueIDs.isEmpty {
        page.add(try connection.find(Outbox.collection, ["_id": ["$in": .array(Array(due))], "dispatched": false]))
        page.isFull = delayed.contains { $0.isDue && !dueIDs.contains($0.id) }
      }
      guard delayed.count <= Self.delayedMax else { return page.sorted() }

      let held = Set(delayed.compactMap { dueIDs.contains($0.id) ? nil : $0.aggregate })
      var filter: BSONDocument = ["dispatched": false, "nextAttemptAt": .datetime(Outbox.dueAtOnce)]
      if !held.isEmpty { filter.append("aggregate", ["$nin": .strings(held)]) }
      // Equal keys come in the order in which they were written.
      let fresh = try connection.find(
        Outbox.collection, filter, limit: Self.pageMax, options: ["hint": .string(Outbox.dueIndex)])
      var first = Page()
      first.add(fresh)
      if fresh.count == Self.pageMax {
        page.isFull = true
        first.replace(by: try Self.overtaken(by: first.documents, beside: page.documents, connection))
      }
      page.documents += first.documents
      page.unreadable += first.unreadable
      return page.sorted()
    }
  }

  private static func delayed(_ connection: MongoConnection) throws -> [Delayed] {
    let found = try connection.aggregate(
      Outbox.collection,
      [
        ["$match": ["dispatched": false, "nextAttemptAt": ["$gt": .datetime(Outbox.dueAtOnce)]]],
        ["$sort": ["nextAttemptAt": 1]], ["$limit": .int64(Int64(delayedMax + 1))],
        ["$project": ["aggregate": 1, "wait": ["$subtract": ["$nextAttemptAt", "$$NOW"]]]],
      ])
    return try found.map { document in
      // Of a document that cannot be read, the aggregate may be anything.
      let aggregate: String? = if case .string(let text) = try document.value("aggregate") { text } else { nil }
      return Delayed(
        id: try document.value("_id") ?? .null, aggregate: aggregate,
        wait: .milliseconds(try document.int64("wait")))
    }
  }

  /// Documents that precede those of a full page within their aggregates, and stand on a later page: an index that
  /// was built by another member of the replica set may hold them in another order. Nearly always none.
  private static func overtaken(
    by page: [OutboxDocument], beside others: [OutboxDocument], _ connection: MongoConnection
  ) throws -> [OutboxDocument] {
    guard !page.isEmpty else { return [] }
    var last: [String: Int64] = [:]
    for document in page { last[document.aggregate] = max(document.seq, last[document.aggregate] ?? .min) }
    let ranges: [BSONDocument] = last.map { aggregate, seq in
      ["dispatched": false, "aggregate": .string(aggregate), "seq": ["$lt": .int64(seq)]]
    }
    let filter: BSONDocument = [
      "dispatched": false, "$or": .documents(ranges), "_id": ["$nin": .array((page + others).map { .objectID($0.id) })],
    ]
    return try connection.find(
      Outbox.collection, filter, sort: ["aggregate": 1, "seq": 1], limit: pageMax
    ).map { try OutboxDocument($0) }
  }

  func markDispatched(_ ids: [ObjectID]) async throws {
    guard !ids.isEmpty else { return }
    _ = try await database.run { connection in
      try connection.updateMany(
        Outbox.collection, ["_id": ["$in": .array(ids.map { .objectID($0) })]],
        ["$set": ["dispatched": true], "$currentDate": ["dispatchedAt": true]])
    }
  }

  /// One attempt more that came to nothing: the next not before `pause` has passed.
  func postpone(_ id: ObjectID, by pause: Duration) async throws {
    let change: BSONDocument = [
      "$set": [
        "attempts": ["$add": ["$attempts", 1]],
        "nextAttemptAt": ["$add": ["$$NOW", .int64(Int64(pause / .milliseconds(1)))]],
      ]
    ]
    _ = try await database.run { connection in
      try connection.updateOne(
        Outbox.collection, ["_id": .objectID(id), "dispatched": false], pipeline: [change])
    }
  }

  /// Takes a document out of the relay's way without losing it: without `dispatchedAt` it is never cleaned up. `events`
  /// are the messages that nobody took; the others of the document were delivered.
  func park(_ id: BSONValue, reason: String, events: [String] = []) async throws {
    _ = try await database.run { connection in
      try connection.updateOne(
        Outbox.collection, ["_id": id],
        [
          "$set": ["dispatched": true, "parkedReason": .string(reason), "parkedEvents": .strings(events)],
          "$currentDate": ["parkedAt": true],
        ])
    }
  }

  /// How much waits, and the age of what has waited longest: by the `_id` that the server has made of its clock.
  func backlog() async throws -> (pending: Int64, oldest: Duration) {
    try await database.run { connection in
      let pending = try connection.count(Outbox.collection, ["dispatched": false], limit: Self.backlogMax)
      guard pending > 0 else { return (0, .zero) }
      let first = try connection.aggregate(
        Outbox.collection,
        [
          ["$match": ["dispatched": false]], ["$sort": ["nextAttemptAt": 1]], ["$limit": 100],
          ["$match": ["_id": ["$type": "objectId"]]],
          ["$group": ["_id": .null, "age": ["$max": ["$subtract": ["$$NOW", ["$toDate": "$_id"]]]]]],
        ]
      ).first
      return (pending, .milliseconds(max(0, try first?.optionalInt64("age") ?? 0)))
    }
  }
}

extension OutboxStore.Page {
  fileprivate mutating func add(_ found: [BSONDocument]) {
    for document in found {
      do {
        documents.append(try OutboxDocument(document))
      } catch {
        unreadable.append((try? document.value("_id")) ?? .null)
      }
    }
  }

  /// Aggregates with documents from before this page give up theirs of it for those. When even the earlier ones fill
  /// a page, there may be more of them, of anybody.
  fileprivate mutating func replace(by earlier: [OutboxDocument]) {
    guard !earlier.isEmpty else { return }
    guard earlier.count < OutboxStore.pageMax else { return documents = earlier }
    let aggregates = Set(earlier.map(\.aggregate))
    documents = documents.filter { !aggregates.contains($0.aggregate) } + earlier
  }

  /// Keeps the order of first appearance between aggregates and sorts within each.
  fileprivate consuming func sorted() -> Self {
    var order: [String] = []
    var groups: [String: [OutboxDocument]] = [:]
    for document in documents {
      if groups[document.aggregate] == nil { order.append(document.aggregate) }
      groups[document.aggregate, default: []].append(document)
    }
    var copy = self
    copy.documents = order.flatMap { (groups[$0] ?? []).sorted { $0.seq < $1.seq } }
    return copy
  }
}
