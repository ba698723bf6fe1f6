import Access
import IdentityDomain
import Kernel
import Messages
import RPC

extension IdentityService {
  /// Login. The order of the checks is `LoginRefusal`'s; every attempt leaves an audit entry.
  public func login(
    _ request: IdentityV1.LoginRequest, _ context: CallContext
  ) async throws -> IdentityV1.LoginResponse {
    let identifier = try LoginIdentifier(mobile: request.mobile, username: request.username)
    let now = clock.now()
    let attempt = LoginAttempt(
      id: .generate(at: now), at: now, client: context.client, requestID: context.requestID)

    let found = try await store.lineage(signingInBy: identifier)
    if let refusal = LoginRefusal.beforePassword(found?.subject, at: now) {
      if refusal == .userNotFound { try await passwords.verifyNobody(request.password) }
      throw try await failure(refusal, of: found?.subject.id, attempt)
    }
    guard let lineage = found else { throw Failure(.internalError, "an account was neither found nor refused") }

    let user = lineage.subject
    let verdict = try await passwords.verify(request.password, against: user.passwordHash)
    if let refusal = LoginRefusal.afterPassword(isRight: verdict != .wrong, lineage, signingInBy: identifier) {
      throw try await failure(refusal, of: user.id, attempt)
    }
    let renewedHash = verdict == .right(isOutdated: true) ? try await passwords.hash(request.password) : nil
    return try await openSession(of: user, attempt, renewedHash: renewedHash)
  }

  private func openSession(
    of user: User, _ attempt: LoginAttempt, renewedHash: String?
  ) async throws -> IdentityV1.LoginResponse {
    let refreshToken = RefreshToken.make()
    let session = Session(
      id: .generate(at: attempt.at), userID: user.id, familyID: .generate(at: attempt.at),
      tokenHash: refreshToken.hash, issuedAt: attempt.at, expiresAt: attempt.at.advanced(by: refreshTTL),
      client: attempt.client)
    let accessToken = try await tokens.issue(
      subject: user.id, sessionID: session.id.rawValue, roles: user.roles, now: attempt.at)
    let login = AcceptedLogin(
      attempt: attempt, session: session, role: user.role, roles: user.roles, renewedPasswordHash: renewedHash)
    let refusal = try await accounts.run(user.id) { try await store.openSession(login) }
    if let refusal { throw try await failure(refusal, of: user.id, attempt) }
    outboxGrew()
    return IdentityV1.LoginResponse(
      user: IdentityV1.User(user),
      tokens: IdentityV1.Tokens(
        tokenType: "Bearer", accessToken: accessToken.text,
        accessTokenExpiresAt: GoogleProtobuf.Timestamp(accessToken.expiresAt), refreshToken: refreshToken.text,
        refreshTokenExpiresAt: GoogleProtobuf.Timestamp(session.expiresAt)))
  }

  /// Records the refusal and returns what to throw.
  private func failure(
    _ refusal: LoginRefusal, of userID: UserID?, _ attempt: LoginAttempt
  ) async throws -> Failure {
    let answer: LoginRefusal
    if let userID {
      answer = try await accounts.run(userID) {
        try await store.recordRefusal(refusal, of: userID, attempt, policy: policy)
      }
    } else {
      answer = try await store.recordRefusal(refusal, of: nil, attempt, policy: policy)
    }
    outboxGrew()
    return answer.failure
  }
}
