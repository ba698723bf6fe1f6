import Kernel

/// What identity keeps. Every method is one atomic unit: it happened as a whole, or not at all.
///
/// Reads see live documents only. Methods throw `Failure` with the codes they name, and whatever the storage throws,
/// which knows how it looks to a caller (`DATABASE_UNAVAILABLE` when attempts ran out, `DUPLICATE_ENTRY`).
public protocol IdentityStore: Sendable {
  /// A staff member by username, anybody else or staff by mobile, with the parties above.
  func lineage(signingInBy identifier: LoginIdentifier) async throws -> Lineage?

  func lineage(of id: UserID) async throws -> Lineage?

  /// By an agency's, a mediator's or a brand's own code.
  func lineage(ofCode code: PartyCode) async throws -> Lineage?

  /// The user with role documents and connections.
  func account(_ id: UserID) async throws -> Account?

  /// Writes the attempt's audit entry and, for a wrong password, counts it. Returns what to answer: a lock that came
  /// into force since the account was read wins, so that parallel guesses gain nothing.
  func recordRefusal(
    _ refusal: LoginRefusal, of userID: UserID?, _ attempt: LoginAttempt, policy: LoginPolicy
  ) async throws -> LoginRefusal

  /// Opens the session, clears the counters, replaces an outdated hash and writes the audit entry. Returns a refusal,
  /// and changes nothing, when the account was locked, suspended or deleted since it was read.
  func openSession(_ login: AcceptedLogin) async throws -> LoginRefusal?

  /// True when the id, the mobile, the username or a code of the account is taken, also by a deleted one where codes
  /// and ids are concerned.
  func isTaken(_ account: Account) async throws -> Bool

  /// Writes user and role documents together. Fails with `MOBILE_ALREADY_EXISTS`, `EMAIL_ALREADY_EXISTS`,
  /// `USERNAME_ALREADY_EXISTS` or `DUPLICATE_ENTRY`.
  func register(_ account: Account) async throws

  /// Opens the connection and keeps the brand's set in step, unless the pair has an open one already.
  func ensureConnection(_ connection: Connection) async throws

  /// Gives a staff account its roles, an active status, free counters and, if given, another password.
  func repairStaff(_ id: UserID, roles: [Role], passwordHash: String?, at now: Timestamp) async throws
}
