/// What a user may be (DOMAIN 1.2). The raw value is the spelling in storage, tokens and audit metadata.
public enum Role: String, CaseIterable, Hashable, Sendable {
  case shopper, mediator, agency, brand, ops, admin

  /// Staff: may act for others.
  public var isPrivileged: Bool { self == .ops || self == .admin }
}

extension Collection<Role> {
  /// True for holders of `admin` or `ops`.
  public var arePrivileged: Bool { contains { $0.isPrivileged } }
}

public enum UserStatus: String, CaseIterable, Hashable, Sendable {
  case active, suspended, pending
}

/// Who owns a wallet, or funds a campaign.
public enum OwnerKind: String, CaseIterable, Hashable, Sendable {
  case shopper, mediator, agency, brand, platform
}

/// Which proofs a deal asks for (DOMAIN 4.1).
public enum DealType: String, CaseIterable, Hashable, Sendable {
  case discount = "Discount"
  case review = "Review"
  case rating = "Rating"
}

/// Where a call came from, as far as it was told. Cut to size, never refused: it is a note, not an input, and nothing
/// is decided by it.
public struct ClientDescription: Hashable, Sendable {
  /// Unicode scalars of the two texts; longer ones are cut.
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

/// Whoever caused a change: a user, or the system itself.
public struct Actor: Hashable, Sendable {
  /// A user id, `SYSTEM`, or `SYSTEM_AI`.
  public let id: String
  public let roles: [Role]
  /// The correlation id of the call (`x-request-id`), if there is one.
  public let requestID: String?
  /// The client that made the call; nil when there was none, or nothing is known of it.
  public let client: ClientDescription?

  public init(id: String, roles: [Role], requestID: String? = nil, client: ClientDescription? = nil) {
    self.id = id
    self.roles = roles
    self.requestID = requestID
    self.client = client == ClientDescription(ip: nil, userAgent: nil) ? nil : client
  }

  public static let system = Actor(id: "SYSTEM", roles: [])

  /// The system, in the course of a call that `actor` has caused.
  public static func system(behind actor: Actor) -> Actor {
    Actor(id: system.id, roles: [], requestID: actor.requestID, client: actor.client)
  }

  /// Nil for the system.
  public var userID: UserID? { UserID(id) }
}

/// An agency's, a mediator's or a brand's code in its one stored form: trimmed, upper-case (DOMAIN 1.3).
public struct PartyCode: Hashable, Sendable {
  public let rawValue: String

  /// Normalises, then nil unless `^[A-Z0-9][A-Z0-9_-]{1,63}$`.
  public init?(_ text: String) {
    let code = text.trimmed.uppercased()
    guard (2...64).contains(code.utf8.count), let first = code.utf8.first, Self.isAlphanumeric(first),
      code.utf8.allSatisfy({ Self.isAlphanumeric($0) || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-") })
    else { return nil }
    rawValue = code
  }

  private static func isAlphanumeric(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
  }
}

extension String {
  /// Without leading and trailing white space (Unicode White_Space).
  public var trimmed: String {
    guard let start = unicodeScalars.firstIndex(where: { !$0.properties.isWhitespace }),
      let last = unicodeScalars.lastIndex(where: { !$0.properties.isWhitespace })
    else { return "" }
    return String(unicodeScalars[start...last])
  }
}
