import IdentityDomain
import Kernel
import Reliability

/// The audit entries of logins (DOMAIN 10).
enum LoginAudit {
  /// Nobody has proved to be anybody: the actor names nobody and only carries the request id. The entity is the account
  /// that was tried, if there is one.
  static func failed(_ userID: UserID?, _ refusal: LoginRefusal, _ attempt: LoginAttempt) -> AuditEntry {
    AuditEntry(
      action: "AUTH_LOGIN_FAILED", entityType: "User", entityID: userID?.rawValue ?? "unknown",
      actor: Actor(id: "", roles: [], requestID: attempt.requestID, client: attempt.client),
      metadata: ["reason": .string(refusal.auditReason)], occurredAt: attempt.at)
  }

  static func succeeded(_ login: AcceptedLogin) -> AuditEntry {
    AuditEntry(
      action: "AUTH_LOGIN_SUCCESS", entityType: "User", entityID: login.session.userID.rawValue,
      actor: Actor(
        id: login.session.userID.rawValue, roles: login.roles, requestID: login.attempt.requestID,
        client: login.attempt.client),
      metadata: ["role": .string(login.role.rawValue)], occurredAt: login.attempt.at)
  }
}
