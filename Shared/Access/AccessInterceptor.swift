import Kernel
import RPC

/// The guards that come before everything else (DOMAIN 0.3): authentication, the caller's status and lineage, the
/// role gate. A handler behind it answers somebody known and allowed.
///
/// Who may call is declared in the protos; a method that declares nothing is refused to everybody.
public struct AccessInterceptor: ServerInterceptor {
  private let verifier: TokenVerifier
  private let principals: any PrincipalSource
  private let serviceKeys: ServiceKeys
  private let trustDomain: String?
  private let replicas: String?

  /// - Parameters:
  ///   - trustDomain: of certificates that name services (`spiffe://<trust domain>/<service>`); nil believes none.
  ///   - replicas: the service's own name, if its replicas hand calls on to each other: they are believed whom they
  ///     hand on for. Nil believes nobody.
  public init(
    verifier: TokenVerifier, principals: any PrincipalSource, serviceKeys: ServiceKeys, trustDomain: String? = nil,
    replicas: String? = nil
  ) {
    self.verifier = verifier
    self.principals = principals
    self.serviceKeys = serviceKeys
    self.trustDomain = trustDomain
    self.replicas = replicas
  }

  public func intercept(_ context: CallContext, next: (CallContext) async throws -> Void) async throws {
    let caller = try await caller(of: context)
    var context = context
    context[CallerKey.self] = caller
    context.note(caller: Self.name(of: caller))
    try await next(context)
  }

  /// Authentication alone, without asking anybody about the person. Public methods need none.
  ///
  /// Fails like `TokenVerifier.verify`, and with `UNAUTHENTICATED` without a token.
  public func authenticate(_ context: CallContext) async throws {
    if context.method.rules.isPublic || context.method.isInternal { return }
    _ = try await verifier.verify(try Self.token(in: context.metadata))
  }

  /// Fails unless the metadata hold one bearer token in the form of ours; the signature is not looked at.
  public static func checkPresented(in metadata: Metadata) throws(Failure) {
    try TokenVerifier.checkForm(try token(in: metadata))
  }

  /// Whoever calls, after all guards. Fails with the refusal of the first guard that does not let the call pass.
  public func caller(of context: CallContext) async throws -> Caller {
    let method = context.method
    if method.rules.isPublic { return .anonymous }
    if method.isInternal { return try service(context) }
    guard !method.rules.roles.isEmpty else { throw Self.forbidden(method) }

    let token = try Self.token(in: context.metadata)
    let claims = try await verifier.verify(token)
    guard let userID = UserID(claims.sub) else { throw Failure(.invalidToken, "the access token is not valid") }
    guard let principal = try await principals.principal(userID, fresh: method.rules.mutating) else {
      throw Failure(.unauthenticated, "the account of this access token does not exist any more")
    }
    try Self.checkStatus(principal)
    guard Self.allows(method.rules, principal.roles) else { throw Self.forbidden(method) }
    return .user(principal, token: token)
  }

  private func service(_ context: CallContext) throws(Failure) -> Caller {
    guard let peer = callingService(context) else { throw Self.forbidden(context.method) }
    let name = peer == replicas ? HandedOnCall.caller(in: context.metadata) ?? peer : peer
    guard context.method.rules.callers.contains(name) else { throw Self.forbidden(context.method) }
    guard let actor = ActorMetadata.parse(context.metadata, requestID: context.requestID) else {
      throw Failure(.forbidden, "the metadata \(ActorMetadata.actor) names nobody")
    }
    return .service(name, actor: actor)
  }

  /// The service at the other end: over TLS whom the certificate names, whatever the metadata say; without TLS whose
  /// key is presented, from this machine only.
  private func callingService(_ context: CallContext) -> String? {
    let remote = context.remote
    guard !remote.isEncrypted else {
      guard let id = remote.identity?.spiffeID, id.trustDomain == trustDomain else { return nil }
      return id.service
    }
    guard remote.isLoopback, let name = context.metadata[ActorMetadata.service],
      let key = context.metadata[ActorMetadata.key], serviceKeys.accepts(key, of: name)
    else { return nil }
    return name
  }

  private static func token(in metadata: Metadata) throws(Failure) -> String {
    let values = metadata.all("authorization")
    guard let value = values.first else { throw Failure(.unauthenticated, "sign in first: there is no access token") }
    guard values.count == 1 else { throw Failure(.invalidToken, "there is more than one access token") }
    let parts = value.split(separator: " ", maxSplits: 1)
    guard parts.count == 2, parts[0].lowercased() == "bearer" else {
      throw Failure(.unauthenticated, "sign in first: there is no bearer token")
    }
    return String(parts[1]).trimmed
  }

  private static func checkStatus(_ principal: Principal) throws(Failure) {
    guard principal.status == .active else {
      throw Failure(.userNotActive, "this account is \(principal.status.rawValue)")
    }
    guard principal.upstreamActive else {
      throw Failure(.upstreamSuspended, "the mediator or the agency above this account is not active")
    }
  }

  private static func allows(_ rules: MethodRules, _ roles: [Role]) -> Bool {
    rules.roles.contains { allowed in allowed == "*" || roles.contains { $0.rawValue == allowed } }
  }

  private static func forbidden(_ method: MethodDescriptor) -> Failure {
    Failure(.forbidden, "this caller may not call \(method.name)")
  }

  /// For log lines: ids and names only.
  private static func name(of caller: Caller) -> String {
    switch caller {
    case .user(let principal, _): "user:\(principal.userID)"
    case .service(let name, let actor): "service:\(name) for \(actor.id)"
    case .anonymous: "anonymous"
    }
  }
}
