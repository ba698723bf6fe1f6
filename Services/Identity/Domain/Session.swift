import Kernel

public enum SessionTag {}
public enum SessionFamilyTag {}

/// One refresh token's life. Its token is known by hash only: reading the database gives nobody a session.
public struct Session: Hashable, Sendable {
  public let id: ID<SessionTag>
  public let userID: UserID
  /// Shared by all tokens that descend from one login; a reused token revokes the family.
  public let familyID: ID<SessionFamilyTag>
  /// Lower-case hex SHA-256 of the token.
  public let tokenHash: String
  public let issuedAt: Timestamp
  public let expiresAt: Timestamp
  public let client: ClientDescription

  public init(
    id: ID<SessionTag>, userID: UserID, familyID: ID<SessionFamilyTag>, tokenHash: String, issuedAt: Timestamp,
    expiresAt: Timestamp, client: ClientDescription
  ) {
    self.id = id
    self.userID = userID
    self.familyID = familyID
    self.tokenHash = tokenHash
    self.issuedAt = issuedAt
    self.expiresAt = expiresAt
    self.client = client
  }
}
