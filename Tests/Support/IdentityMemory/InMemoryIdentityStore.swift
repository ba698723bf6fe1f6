import IdentityDomain
import Kernel
import Synchronization

/// An `IdentityStore` for tests of what stands on the protocol. The contract suite holds it to the same promises as
/// the stored one, so that the fake cannot lie.
public final class InMemoryIdentityStore: IdentityStore {
  /// One audit entry, as far as tests ask.
  public struct Record: Hashable, Sendable {
    public let action: String
    public let userID: UserID?
    public let reason: String?
  }

  private struct State {
    var accounts: [UserID: Account] = [:]
    var deleted: Set<UserID> = []
    var sessions: [Session] = []
    var connections: [Connection] = []
    var records: [Record] = []

    func live(_ matches: (User) -> Bool) -> User? {
      accounts.values.first { !deleted.contains($0.user.id) && matches($0.user) }?.user
    }

    func lineage(of subject: User?) -> Lineage? {
      guard let subject else { return nil }
      var parents: [User] = []
      var code = subject.parentCode
      while parents.count < Lineage.parentsMax, let wanted = code,
        let parent = live({ $0.mediatorCode == wanted })
      {
        parents.append(parent)
        code = parent.parentCode
      }
      return Lineage(subject: subject, parents: parents)
    }
  }

  private let state = Mutex(State())

  public init() {}

  public func lineage(signingInBy identifier: LoginIdentifier) async throws -> Lineage? {
    state.withLock { state in
      switch identifier {
      case .mobile(let mobile): state.lineage(of: state.live { $0.mobile == mobile })
      case .username(let username):
        state.lineage(of: state.live { $0.username == username && $0.roles.arePrivileged })
      }
    }
  }

  public func lineage(of id: UserID) async throws -> Lineage? {
    state.withLock { state in state.lineage(of: state.live { $0.id == id }) }
  }

  public func lineage(ofCode code: PartyCode) async throws -> Lineage? {
    state.withLock { state in state.lineage(of: state.live { $0.mediatorCode == code || $0.brandCode == code }) }
  }

  public func account(_ id: UserID) async throws -> Account? {
    state.withLock { state in
      guard !state.deleted.contains(id), var account = state.accounts[id] else { return nil }
      let user = account.user
      let own = state.connections.filter { connection in
        (user.roles.contains(.brand) && connection.brandUserID == id)
          || (user.roles.contains(.agency) && connection.agencyCode == user.mediatorCode)
      }
      account.connections = Array(
        own.sorted { $0.requestedAt > $1.requestedAt }.prefix(Account.connectionsMax))
      return account
    }
  }

  public func recordRefusal(
    _ refusal: LoginRefusal, of userID: UserID?, _ attempt: LoginAttempt, policy: LoginPolicy
  ) async throws -> LoginRefusal {
    state.withLock { state in
      var answer = refusal
      if refusal == .invalidPassword, let userID, let user = state.live({ $0.id == userID }) {
        if let secondsLeft = user.loginCounters.secondsLocked(at: attempt.at) {
          answer = .accountLocked(secondsLeft: secondsLeft)
        } else {
          state.accounts[userID]?.user.loginCounters = user.loginCounters.countingFailure(policy, at: attempt.at)
        }
      }
      state.records.append(Record(action: "AUTH_LOGIN_FAILED", userID: userID, reason: answer.auditReason))
      return answer
    }
  }

  public func openSession(_ login: AcceptedLogin) async throws -> LoginRefusal? {
    state.withLock { state in
      let id = login.session.userID
      guard let user = state.live({ $0.id == id }) else { return .userNotFound }
      if let secondsLeft = user.loginCounters.secondsLocked(at: login.attempt.at) {
        return .accountLocked(secondsLeft: secondsLeft)
      }
      guard user.status == .active else { return .userNotActive }
      state.accounts[id]?.user.loginCounters = LoginCounters()
      if let renewed = login.renewedPasswordHash { state.accounts[id]?.user.passwordHash = renewed }
      state.sessions.append(login.session)
      state.records.append(Record(action: "AUTH_LOGIN_SUCCESS", userID: id, reason: nil))
      return nil
    }
  }

  public func isTaken(_ account: Account) async throws -> Bool {
    state.withLock { state in
      let wanted = account.user
      return state.accounts.values.contains { held in
        let user = held.user
        let isLive = !state.deleted.contains(user.id)
        return user.id == wanted.id
          || (isLive && (user.mobile == wanted.mobile || (user.username != nil && user.username == wanted.username)))
          || (user.mediatorCode != nil && user.mediatorCode == wanted.mediatorCode)
          || (user.brandCode != nil && user.brandCode == wanted.brandCode)
      }
    }
  }

  public func register(_ account: Account) async throws {
    try state.withLock { state in
      let wanted = account.user
      if state.live({ $0.mobile == wanted.mobile }) != nil {
        throw Failure(.mobileAlreadyExists, "the mobile number is registered already")
      }
      if wanted.email != nil, state.live({ $0.email == wanted.email }) != nil {
        throw Failure(.emailAlreadyExists, "the email address is registered already")
      }
      if wanted.username != nil, state.live({ $0.username == wanted.username }) != nil {
        throw Failure(.usernameAlreadyExists, "the username is taken")
      }
      let isDuplicate = state.accounts.values.contains { held in
        held.user.id == wanted.id
          || (held.user.mediatorCode != nil && held.user.mediatorCode == wanted.mediatorCode)
          || (held.user.brandCode != nil && held.user.brandCode == wanted.brandCode)
      }
      guard !isDuplicate else { throw Failure(.duplicateEntry, "there is such an entry already") }
      state.accounts[wanted.id] = account
    }
  }

  public func ensureConnection(_ connection: Connection) async throws {
    state.withLock { state in
      let isOpen = state.connections.contains {
        $0.status.isOpen && $0.brandUserID == connection.brandUserID && $0.agencyCode == connection.agencyCode
      }
      guard !isOpen else { return }
      state.connections.append(connection)
      guard connection.status == .approved else { return }
      state.accounts[connection.brandUserID]?.roleDocuments.brand?.connectedAgencyCodes.append(connection.agencyCode)
    }
  }

  public func repairStaff(_ id: UserID, roles: [Role], passwordHash: String?, at now: Timestamp) async throws {
    try state.withLock { state in
      guard state.live({ $0.id == id }) != nil else { throw Failure(.userNotFound, "there is no such user") }
      state.accounts[id]?.user.roles = roles
      state.accounts[id]?.user.status = .active
      state.accounts[id]?.user.suspensionSource = .none
      state.accounts[id]?.user.loginCounters = LoginCounters()
      state.accounts[id]?.user.updatedAt = now
      if let passwordHash { state.accounts[id]?.user.passwordHash = passwordHash }
    }
  }

  // MARK: What tests look at, and set up

  public var sessions: [Session] { state.withLock { $0.sessions } }

  public var records: [Record] { state.withLock { $0.records } }

  public func setStatus(_ status: UserStatus, of id: UserID) {
    state.withLock { $0.accounts[id]?.user.status = status }
  }

  public func delete(_ id: UserID) {
    state.withLock { _ = $0.deleted.insert(id) }
  }
}
