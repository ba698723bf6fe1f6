import Kernel

public enum ConnectionTag {}

public enum ConnectionStatus: String, CaseIterable, Hashable, Sendable {
  case pending, approved, rejected, removed

  /// Pending and approved connections take the one place that a brand and an agency have together.
  public var isOpen: Bool {
    switch self {
    case .pending, .approved: true
    case .rejected, .removed: false
    }
  }
}

/// Whether a brand lets an agency distribute its campaigns (DOMAIN 4.8).
public struct Connection: Hashable, Sendable {
  public let id: ID<ConnectionTag>
  public let brandUserID: UserID
  public let brandCode: PartyCode
  public let agencyUserID: UserID
  public let agencyCode: PartyCode
  public let agencyName: String
  public var status: ConnectionStatus
  public let requestedAt: Timestamp
  public var resolvedAt: Timestamp?
  public var resolvedBy: String?

  public init(
    id: ID<ConnectionTag>, brandUserID: UserID, brandCode: PartyCode, agencyUserID: UserID, agencyCode: PartyCode,
    agencyName: String, status: ConnectionStatus, requestedAt: Timestamp, resolvedAt: Timestamp? = nil,
    resolvedBy: String? = nil
  ) {
    self.id = id
    self.brandUserID = brandUserID
    self.brandCode = brandCode
    self.agencyUserID = agencyUserID
    self.agencyCode = agencyCode
    self.agencyName = agencyName
    self.status = status
    self.requestedAt = requestedAt
    self.resolvedAt = resolvedAt
    self.resolvedBy = resolvedBy
  }
}
