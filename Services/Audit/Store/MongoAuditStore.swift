public import AuditDomain
public import Kernel
public import Mongo

/// The log in MongoDB: inserts and finds, nothing else.
public struct MongoAuditStore: AuditStore {
  /// One is enough unless a new document's own id is taken, which happens once in a very long life.
  private static let attemptsMax = 3

  private let database: MongoDatabase

  public init(_ database: MongoDatabase) {
    self.database = database
  }

  public func append(_ entries: [AuditEntry], at now: Timestamp) async throws -> Int {
    var added = 0
    var missing = Self.firstOfEach(entries)
    for _ in 1...Self.attemptsMax {
      guard !missing.isEmpty else { return added }
      let records = missing.map { AuditRecord(id: .generate(at: now), createdAt: now, entry: $0) }
      let attempt = try await database.run { connection in
        let inserted = try connection.insertMissing(AuditRecord.collection, records.map(\.document))
          .count { $0 }
        // A duplicate is expected to be one of the event id; whether it was shows here.
        guard inserted < records.count else { return (inserted: inserted, stored: Set<String>()) }
        let found = try connection.find(
          AuditRecord.collection, ["eventId": ["$in": .strings(records.map(\.entry.eventID))]],
          projection: ["eventId": 1, "_id": 0])
        return (inserted: inserted, stored: Set(try found.map { try $0.string("eventId") }))
      }
      added += attempt.inserted
      guard attempt.inserted < records.count else { return added }
      missing.removeAll { attempt.stored.contains($0.eventID) }
    }
    guard missing.isEmpty else {
      throw Failure(.serviceUnavailable, "the log could not take every entry: send them again")
    }
    return added
  }

  public func records(_ query: AuditQuery) async throws -> Page<AuditRecord> {
    try await database.run { connection in
      // One row more than asked for tells whether there is a next page.
      let found = try connection.find(
        AuditRecord.collection, query.pageFilter, sort: ["createdAt": -1, "_id": -1], limit: query.page.size + 1)
      let total =
        query.page.includeTotal
        ? try connection.count(AuditRecord.collection, query.filter, limit: PageLimits.totalMax) : nil
      let records = try found.prefix(query.page.size).map { try AuditRecord($0) }
      let last = found.count > records.count ? records.last : nil
      return Page(
        items: records, next: last.map { Cursor(createdAt: $0.createdAt, id: $0.id.value) }, total: total)
    }
  }

  /// A batch may name an event twice; the first one counts, as it would if they came in two batches.
  private static func firstOfEach(_ entries: [AuditEntry]) -> [AuditEntry] {
    var seen: Set<String> = []
    return entries.filter { seen.insert($0.eventID).inserted }
  }
}

extension AuditQuery {
  fileprivate var filter: BSONDocument {
    var fields: [(String, BSONValue)] = []
    if let entityType { fields.append(("entityType", .string(entityType))) }
    if let entityID { fields.append(("entityId", .string(entityID))) }
    if let actorUserID { fields.append(("actorUserId", .string(actorUserID))) }
    if let action { fields.append(("action", .string(action))) }
    var range: [(String, BSONValue)] = []
    if let from { range.append(("$gte", .datetime(from))) }
    if let to { range.append(("$lt", .datetime(to))) }
    if !range.isEmpty { fields.append(("createdAt", .document(BSONDocument(range)))) }
    return BSONDocument(fields)
  }

  fileprivate var pageFilter: BSONDocument {
    guard let after = page.after else { return filter }
    let older: [BSONValue] = [
      ["createdAt": ["$lt": .datetime(after.createdAt)]],
      ["createdAt": .datetime(after.createdAt), "_id": ["$lt": .objectID(after.id)]],
    ]
    return ["$and": [.document(filter), ["$or": .array(older)]]]
  }
}
