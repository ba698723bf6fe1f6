import AuditDomain
import Kernel

/// The contract of `AuditStore` in an array.
actor AuditMemoryStore: AuditStore {
  private var log: [AuditRecord] = []

  func append(_ entries: [AuditEntry], at now: Timestamp) async throws -> Int {
    var known = Set(log.map(\.entry.eventID))
    let new = entries.filter { known.insert($0.eventID).inserted }
    log += new.map { AuditRecord(id: .generate(at: now), createdAt: now, entry: $0) }
    return new.count
  }

  func records(_ query: AuditQuery) async throws -> Page<AuditRecord> {
    let matching = log.filter { Self.matches($0, query) }
      .sorted { ($0.createdAt, $0.id) > ($1.createdAt, $1.id) }
    let rest = matching.filter { record in
      guard let after = query.page.after else { return true }
      return (record.createdAt, record.id.value) < (after.createdAt, after.id)
    }
    let shown = rest.prefix(query.page.size)
    let last = rest.count > shown.count ? shown.last : nil
    return Page(
      items: Array(shown), next: last.map { Cursor(createdAt: $0.createdAt, id: $0.id.value) },
      total: query.page.includeTotal ? min(Int64(matching.count), PageLimits.totalMax) : nil)
  }

  private static func matches(_ record: AuditRecord, _ query: AuditQuery) -> Bool {
    let entry = record.entry
    return (query.action.map { $0 == entry.action } ?? true)
      && (query.entityType.map { $0 == entry.entityType } ?? true)
      && (query.entityID.map { $0 == entry.entityID } ?? true)
      && (query.actorUserID.map { $0 == entry.actorUserID } ?? true)
      && (query.from.map { $0 <= record.createdAt } ?? true)
      && (query.to.map { record.createdAt < $0 } ?? true)
  }
}
