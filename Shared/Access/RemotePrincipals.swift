import Kernel
import Logging
import Messages
import RPC
import Stubs
import Synchronization

/// Keeps principals of read RPCs for a while, by the monotonic clock. Fresh reads pass through and renew the entry.
public final class CachedPrincipals: PrincipalSource {
  private struct Entry {
    let principal: Principal
    let readAt: ContinuousClock.Instant
  }

  /// A principal takes about 500 bytes: 5 MB.
  static let entriesMax = 10_000

  private let source: any PrincipalSource
  private let ttl: Duration
  private let monotonic: @Sendable () -> ContinuousClock.Instant
  private let entries = Mutex<[UserID: Entry]>([:])

  /// - Parameter ttl: zero never serves from the cache.
  public init(
    _ source: any PrincipalSource, ttl: Duration,
    monotonic: @escaping @Sendable () -> ContinuousClock.Instant = { ContinuousClock.now }
  ) {
    self.source = source
    self.ttl = ttl
    self.monotonic = monotonic
  }

  public func principal(_ id: UserID, fresh: Bool) async throws -> Principal? {
    let started = monotonic()
    if !fresh, ttl > .zero, let entry = entries.withLock({ $0[id] }), entry.readAt.duration(to: started) < ttl {
      return entry.principal
    }
    // Dated from before the read, so that an entry is never younger than what it says.
    let principal = try await source.principal(id, fresh: fresh)
    if ttl > .zero { keep(principal, id, started) }
    return principal
  }

  private func keep(_ principal: Principal?, _ id: UserID, _ readAt: ContinuousClock.Instant) {
    entries.withLock { entries in
      guard let principal else {
        entries[id] = nil
        return
      }
      if let present = entries[id], present.readAt > readAt { return }
      if entries.count >= Self.entriesMax { entries = entries.filter { $0.value.readAt.duration(to: readAt) < ttl } }
      if entries.count >= Self.entriesMax { entries.removeAll(keepingCapacity: true) }
      entries[id] = Entry(principal: principal, readAt: readAt)
    }
  }
}

/// Asks identity.
public struct RemotePrincipals: PrincipalSource {
  private let identity: IdentityInternalServiceClient
  private let logger: Logger

  public init(_ identity: RPCChannel, logger: Logger) {
    self.identity = IdentityInternalServiceClient(identity)
    self.logger = logger
  }

  public func principal(_ id: UserID, fresh: Bool) async throws -> Principal? {
    let response: IdentityV1.GetPrincipalResponse
    do {
      response = try await identity.getPrincipal(IdentityV1.GetPrincipalRequest(userId: id.rawValue))
    } catch let failure as Failure {
      if failure.code == .userNotFound { return nil }
      throw failure.ofIdentity(logger)
    }
    guard let message = response.principal else { return nil }
    return try Principal(message)
  }
}

/// Asks identity.
public struct RemoteSigningKeys: SigningKeySource {
  private let identity: IdentityInternalServiceClient

  public init(_ identity: RPCChannel) {
    self.identity = IdentityInternalServiceClient(identity)
  }

  public func signingKeys() async throws -> [PublicSigningKey] {
    try await identity.getSigningKeys(IdentityV1.GetSigningKeysRequest()).keys.compactMap { PublicSigningKey($0) }
  }
}

extension Failure {
  /// What a user is told when identity did not answer this *service*: that it cannot be reached or is late passes;
  /// any other refusal concerns us and not the user, so it goes to the log and becomes `SERVICE_UNAVAILABLE`.
  public func ofIdentity(_ logger: Logger) -> Failure {
    if kind == .unavailable || kind == .deadlineExceeded { return self }
    logger.error(
      "identity refuses this service", metadata: ["code": "\(code.rawValue)", "reason": "\(message)"])
    return Failure(.serviceUnavailable, "a service that is needed cannot answer now")
  }
}

extension Principal {
  /// Refuses what this version does not understand: a principal that is half understood must not be believed.
  public init(_ message: IdentityV1.Principal) throws(Failure) {
    guard let userID = UserID(message.userId), let status = message.status.stored.flatMap(UserStatus.init(rawValue:))
    else { throw Failure(.internalError, "identity described a person that this version cannot read") }
    self.init(
      userID: userID, name: message.name, mobile: message.mobile,
      // A role of a later version grants nothing here.
      roles: message.roles.compactMap { $0.stored.flatMap(Role.init(rawValue:)) }, status: status,
      mediatorCode: message.mediatorCode.flatMap { PartyCode($0) },
      parentCode: message.parentCode.flatMap { PartyCode($0) }, brandCode: message.brandCode.flatMap { PartyCode($0) },
      upstreamActive: message.upstreamActive, isVerifiedByMediator: message.isVerifiedByMediator)
  }

  /// As identity answers.
  public var message: IdentityV1.Principal {
    IdentityV1.Principal(
      userId: userID.rawValue, name: name, mobile: mobile,
      roles: roles.compactMap { CommonV1.Role(stored: $0.rawValue) },
      status: CommonV1.UserStatus(stored: status.rawValue) ?? .unspecified, mediatorCode: mediatorCode?.rawValue,
      parentCode: parentCode?.rawValue, brandCode: brandCode?.rawValue, upstreamActive: upstreamActive,
      isVerifiedByMediator: isVerifiedByMediator)
  }
}
