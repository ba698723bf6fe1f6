import IdentityDomain
import Kernel
import Mongo
import Reliability

extension MongoIdentityStore {
  public func recordRefusal(
    _ refusal: LoginRefusal, of userID: UserID?, _ attempt: LoginAttempt, policy: LoginPolicy
  ) async throws -> LoginRefusal {
    try await database.transaction { connection in
      var answer = refusal
      if refusal == .invalidPassword, let userID {
        answer = try Self.countWrongPassword(userID, attempt, policy, connection)
      }
      try Self.audit(LoginAudit.failed(userID, answer, attempt), attempt, connection)
      return answer
    }
  }

  public func openSession(_ login: AcceptedLogin) async throws -> LoginRefusal? {
    try await database.transaction(findsItself: true) { connection in
      // A commit whose outcome was unknown is found again by its session.
      let written = try connection.findOne(
        Collections.sessions, ["_id": .id(login.session.id)], projection: ["_id": 1])
      guard written == nil else { return nil }
      let filter: BSONDocument = ["_id": .id(login.session.userID), "deletedAt": .null]
      guard let document = try connection.findOne(Collections.users, filter) else { return .userNotFound }
      let user = try User(document)
      if let secondsLeft = user.loginCounters.secondsLocked(at: login.attempt.at) {
        return .accountLocked(secondsLeft: secondsLeft)
      }
      guard user.status == .active else { return .userNotActive }
      // Most logins change nothing about the user: then the user is not written either, and parallel logins of one
      // account do not conflict.
      if user.loginCounters != LoginCounters() || login.renewedPasswordHash != nil {
        var changes = LoginCounters().fields
        if let hash = login.renewedPasswordHash { changes.append("passwordHash", .string(hash)) }
        changes.append("updatedAt", .datetime(login.attempt.at))
        _ = try connection.updateOne(Collections.users, filter, ["$set": .document(changes)])
      }
      try connection.insertOne(Collections.sessions, login.session.document)
      try Self.audit(LoginAudit.succeeded(login), login.attempt, connection)
      return nil
    }
  }

  private static func countWrongPassword(
    _ userID: UserID, _ attempt: LoginAttempt, _ policy: LoginPolicy, _ connection: MongoConnection
  ) throws -> LoginRefusal {
    let filter: BSONDocument = ["_id": .id(userID), "deletedAt": .null]
    guard let document = try connection.findOne(Collections.users, filter) else { return .invalidPassword }
    let counters = try LoginCounters(document)
    if let secondsLeft = counters.secondsLocked(at: attempt.at) { return .accountLocked(secondsLeft: secondsLeft) }
    let counted = counters.countingFailure(policy, at: attempt.at)
    _ = try connection.updateOne(Collections.users, filter, ["$set": .document(counted.fields)])
    return .invalidPassword
  }

  /// One attempt is one aggregate: attempts need no order among each other.
  private static func audit(_ entry: AuditEntry, _ attempt: LoginAttempt, _ connection: MongoConnection) throws {
    try Outbox.append(
      [entry], aggregate: "login:\(attempt.id)", seq: 1, eventKey: "login:\(attempt.id)", now: attempt.at,
      in: connection)
  }
}
