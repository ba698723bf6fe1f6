import IdentityDomain
import Kernel

extension User {
  /// A user that obeys the rules; a test states only what it is about.
  static func sample(
    _ role: Role, id: String = "aaaaaaaaaaaaaaaaaaaaaaaa", mobile: String = "9000000001", username: String? = nil,
    passwordHash: String = "plain:right", status: UserStatus = .active, code: String? = nil, parent: String? = nil,
    counters: LoginCounters = LoginCounters(), roles: [Role]? = nil
  ) -> User {
    User(
      id: UserID(known: id), name: "Somebody", username: username.flatMap { Username($0) },
      mobile: Mobile(mobile) ?? .placeholder, passwordHash: passwordHash, role: role, roles: roles ?? [role],
      status: status, mediatorCode: role == .brand ? nil : code.flatMap { PartyCode($0) },
      parentCode: parent.flatMap { PartyCode($0) }, brandCode: role == .brand ? code.flatMap { PartyCode($0) } : nil,
      loginCounters: counters, createdAt: Timestamp(milliseconds: 0), updatedAt: Timestamp(milliseconds: 0),
      updatedBy: "SYSTEM")
  }
}

extension Mobile {
  /// Stands in where a test's mobile is malformed by mistake; the test then fails on what it compares.
  static var placeholder: Mobile {
    guard let mobile = Mobile("0000000000") else { preconditionFailure("ten digits are a mobile") }
    return mobile
  }
}
