public import Kernel

public enum AuditLogTag {}
public typealias AuditLogID = ID<AuditLogTag>

/// One thing that happened, as its service reports it.
public struct AuditEntry: Hashable, Sendable {
  /// Chosen by the sender and the same in every repetition; an entry is stored once per event id.
  public let eventID: String
  public let occurredAt: Timestamp
  /// The reporting service as its credential names it, never as the message claims.
  public let service: String
  /// A user id, `SYSTEM`, `SYSTEM_AI`, or nil when nobody is behind it (a failed login).
  public let actorUserID: String?
  public let actorRoles: [String]
  public let action: String
  public let entityType: String
  public let entityID: String
  /// The correlation id of the call that caused it.
  public let requestID: String?
  /// The client that made that call, as far as it was told.
  public let client: ClientDescription
  public let metadata: AuditMetadata

  public init(
    eventID: String, occurredAt: Timestamp, service: String, actorUserID: String? = nil, actorRoles: [String] = [],
    action: String, entityType: String, entityID: String, requestID: String? = nil,
    client: ClientDescription = ClientDescription(ip: nil, userAgent: nil), metadata: AuditMetadata = [:]
  ) {
    self.eventID = eventID
    self.occurredAt = occurredAt
    self.service = service
    self.actorUserID = actorUserID
    self.actorRoles = actorRoles
    self.action = action
    self.entityType = entityType
    self.entityID = entityID
    self.requestID = requestID
    self.client = client
    self.metadata = metadata
  }
}

/// An entry in the log, where it stays as it is for ever.
public struct AuditRecord: Hashable, Sendable {
  public let id: AuditLogID
  /// When the log took it; `occurredAt` of the entry is when it happened.
  public let createdAt: Timestamp
  public let entry: AuditEntry

  public init(id: AuditLogID, createdAt: Timestamp, entry: AuditEntry) {
    self.id = id
    self.createdAt = createdAt
    self.entry = entry
  }
}
