import Kernel
import RPC

/// The person behind a call, as identity stores it now; what a token says about roles counts for nothing.
public struct Principal: Hashable, Sendable {
  public let userID: UserID
  public let name: String
  /// Ten digits.
  public let mobile: String
  public let roles: [Role]
  public let status: UserStatus
  /// The own code of an agency or a mediator.
  public let mediatorCode: PartyCode?
  /// The code of the party above.
  public let parentCode: PartyCode?
  public let brandCode: PartyCode?
  /// False when the mediator or the agency above is missing or not active.
  public let upstreamActive: Bool
  public let isVerifiedByMediator: Bool

  public init(
    userID: UserID, name: String, mobile: String, roles: [Role], status: UserStatus, mediatorCode: PartyCode? = nil,
    parentCode: PartyCode? = nil, brandCode: PartyCode? = nil, upstreamActive: Bool = true,
    isVerifiedByMediator: Bool = false
  ) {
    self.userID = userID
    self.name = name
    self.mobile = mobile
    self.roles = roles
    self.status = status
    self.mediatorCode = mediatorCode
    self.parentCode = parentCode
    self.brandCode = brandCode
    self.upstreamActive = upstreamActive
    self.isVerifiedByMediator = isVerifiedByMediator
  }

  /// Staff: may act for others.
  public var isPrivileged: Bool { roles.arePrivileged }

  public func has(_ role: Role) -> Bool { roles.contains(role) }
}

/// Who makes a call, decided once, before the message is decoded.
public enum Caller: Sendable {
  /// A person with a valid token, active, and allowed to call the method by role.
  case user(Principal, token: String)
  /// Another process of the product, and whom it acts for.
  case service(String, actor: Actor)
  /// Nobody in particular: public methods only.
  case anonymous
}

/// The key under which the access interceptor leaves the caller.
public enum CallerKey: CallContextKey {
  public typealias Value = Caller
}

extension CallContext {
  /// Anonymous before the access interceptor has run.
  public var caller: Caller { self[CallerKey.self] ?? .anonymous }

  /// The person who calls. Fails with `UNAUTHENTICATED` when it is no person.
  public func principal() throws(Failure) -> Principal {
    guard case .user(let principal, _) = caller else {
      throw Failure(.unauthenticated, "sign in to call \(method.name)")
    }
    return principal
  }

  /// Whoever is responsible for what the call changes: the person, or whom the calling service acts for.
  public var actor: Actor {
    switch caller {
    case .user(let principal, _):
      Actor(id: principal.userID.rawValue, roles: principal.roles, requestID: requestID, client: client)
    case .service(_, let actor): actor
    case .anonymous: Actor(id: Actor.system.id, roles: [], requestID: requestID, client: client)
    }
  }

  /// What the gateway says about the client of a user's call, or the peer itself.
  public var client: ClientDescription {
    let peerHost = peer.lastIndex(of: ":").map { String(peer[..<$0]) } ?? peer
    return ClientDescription(
      ip: metadata[ActorMetadata.clientIP] ?? (peerHost.isEmpty ? nil : peerHost),
      userAgent: metadata[ActorMetadata.clientAgent] ?? metadata["user-agent"])
  }
}

/// The principals of users.
public protocol PrincipalSource: Sendable {
  /// Nil when there is no such user. With `fresh` the answer is read now, never from a cache.
  func principal(_ id: UserID, fresh: Bool) async throws -> Principal?
}
