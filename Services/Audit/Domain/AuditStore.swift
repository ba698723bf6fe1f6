public import Kernel

/// Which entries to list. A nil filter lets everything pass.
public struct AuditQuery: Sendable {
  public let action: String?
  public let entityType: String?
  public let entityID: String?
  public let actorUserID: String?
  /// Inclusive, by the time the log took the entry.
  public let from: Timestamp?
  /// Exclusive.
  public let to: Timestamp?
  public let page: PageRequest

  public init(
    action: String? = nil, entityType: String? = nil, entityID: String? = nil, actorUserID: String? = nil,
    from: Timestamp? = nil, to: Timestamp? = nil, page: PageRequest
  ) {
    self.action = action
    self.entityType = entityType
    self.entityID = entityID
    self.actorUserID = actorUserID
    self.from = from
    self.to = to
    self.page = page
  }
}

/// The append-only log. There is no way to change or remove an entry.
public protocol AuditStore: Sendable {
  /// Stores the entries whose event ids are new, in the order given, and leaves known ones as they are.
  ///
  /// When this returns, every entry is stored, by this call or an earlier or concurrent one. Returns how many this
  /// call added.
  func append(_ entries: [AuditEntry], at now: Timestamp) async throws -> Int

  /// Newest first.
  func records(_ query: AuditQuery) async throws -> Page<AuditRecord>
}
