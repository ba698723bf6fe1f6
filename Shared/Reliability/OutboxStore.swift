import Kernel
import Mongo

/// The relay's view of the outbox.
struct OutboxStore: Sendable {
  /// Documents per round.
  static let pageMax = 200

  let database: MongoDatabase

  /// The page of the oldest messages, each aggregate by ascending `seq` and without a gap at its beginning, and
  /// whether there is more. `unreadable` are documents that nobody can deliver.
  func pending() async throws -> (documents: [OutboxDocument], unreadable: [BSONValue], isFull: Bool) {
    try await database.run { connection in
      let found = try connection.find(
        Outbox.collection, ["dispatched": false], sort: ["nextAttemptAt": 1, "_id": 1], limit: Self.pageMax)
      var documents: [OutboxDocument] = []
      var unreadable: [BSONValue] = []
      for document in found {
        do {
          documents.append(try OutboxDocument(document))
        } catch {
          unreadable.append(try document.value("_id") ?? .null)
        }
      }
      let isFull = found.count == Self.pageMax
      guard isFull else { return (Self.ordered(documents), unreadable, false) }
      let earlier = try Self.earlier(than: documents, connection)
      // When even the earlier ones fill a page, those that follow them wait for their turn.
      return (Self.ordered(earlier.count < Self.pageMax ? documents + earlier : earlier), unreadable, true)
    }
  }

  /// Time orders a page, and clocks jump: what precedes a page's message within its aggregate may stand on a later
  /// page, and goes out before it. At most a page of them, the earliest of each aggregate.
  private static func earlier(
    than page: [OutboxDocument], _ connection: MongoConnection
  ) throws -> [OutboxDocument] {
    var last: [String: Int64] = [:]
    for document in page { last[document.aggregate] = max(document.seq, last[document.aggregate] ?? .min) }
    let known = Set(page.map(\.id))
    var earlier: [OutboxDocument] = []
    for (aggregate, seq) in last.sorted(by: { $0.key < $1.key }) where earlier.count < pageMax {
      let own = page.count { $0.aggregate == aggregate }
      let found = try connection.find(
        Outbox.collection, ["dispatched": false, "aggregate": .string(aggregate), "seq": ["$lt": .int64(seq)]],
        sort: ["seq": 1], limit: pageMax - earlier.count + own)
      earlier += try found.map { try OutboxDocument($0) }.filter { !known.contains($0.id) }
    }
    return Array(earlier.prefix(pageMax))
  }

  /// Keeps the order of first appearance between aggregates and sorts within each.
  static func ordered(_ documents: [OutboxDocument]) -> [OutboxDocument] {
    var order: [String] = []
    var groups: [String: [OutboxDocument]] = [:]
    for document in documents {
      if groups[document.aggregate] == nil { order.append(document.aggregate) }
      groups[document.aggregate, default: []].append(document)
    }
    return order.flatMap { (groups[$0] ?? []).sorted { $0.seq < $1.seq } }
  }

  /// The time is the server's: it only decides when the TTL index cleans up.
  func markDispatched(_ ids: [String]) async throws {
    guard !ids.isEmpty else { return }
    _ = try await database.run { connection in
      try connection.updateMany(
        Outbox.collection, ["_id": ["$in": .array(ids.map { .objectID($0) })]],
        ["$set": ["dispatched": true], "$currentDate": ["dispatchedAt": true]])
    }
  }

  func countRefusal(_ id: String) async throws {
    _ = try await database.run { connection in
      try connection.updateOne(Outbox.collection, ["_id": .objectID(id)], ["$inc": ["attempts": .int32(1)]])
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
}
