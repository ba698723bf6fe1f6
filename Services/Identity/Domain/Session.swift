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

/// Where a login came from, as far as it is told. Cut to size, never refused: it is a note, not an input.
public struct ClientDescription: Hashable, Sendable {
  public static let ipLengthMax = 64
  public static let userAgentLengthMax = 512

  public let ip: String?
  public let userAgent: String?

  public init(ip: String?, userAgent: String?) {
    self.ip = ip.map { Self.cut($0, to: Self.ipLengthMax) }
    self.userAgent = userAgent.map { Self.cut($0, to: Self.userAgentLengthMax) }
  }

  private static func cut(_ text: String, to lengthMax: Int) -> String {
    String(String.UnicodeScalarView(text.unicodeScalars.prefix(lengthMax)))
  }
}
