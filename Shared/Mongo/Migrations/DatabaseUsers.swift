import Kernel

/// The users of one service in its own database (DOMAIN 10, PLATFORM 3.1): one for the service, one for its migrations.
/// Neither may look into another service's database.
public struct DatabaseUsers: Sendable {
  public struct User: Hashable, Sendable {
    public let name: String
    /// In words, for people.
    public let rights: String
    /// As `createRole` takes them.
    let privileges: [BSONDocument]
    /// Built-in roles on the same database.
    let roles: [String]
  }

  public enum Change: String, Sendable {
    case created, updated
  }

  /// What a service does with documents; it changes no schema.
  private static let readWrite: BSONValue = ["find", "insert", "update", "remove", "changeStream"]
  private static let append: BSONValue = ["find", "insert", "changeStream"]

  private let database: MongoDatabase
  public let all: [User]

  /// `appendOnly` are collections in which nothing may ever be changed or removed; the service may only read them and
  /// add to them. The other collections that the migrations declare are read and written.
  public init(
    _ database: MongoDatabase, service: String, appendOnly: Set<String>, migrations: [Migration]
  ) {
    self.database = database
    let name = database.name
    var privileges: [BSONDocument] = [
      [
        "resource": ["db": .string(name), "collection": ""],
        "actions": ["listCollections", "listIndexes", "collStats"],
      ]
    ]
    let rights: String
    if appendOnly.isEmpty {
      privileges.append(Self.privilege(name, "", Self.readWrite))
      rights = "find, insert, update, remove"
    } else {
      let declared = DeclaredSchema(migrations).collections.union([MigrationRunner.collection])
      for collection in declared.union(appendOnly).sorted() {
        let isAppendOnly = appendOnly.contains(collection)
        privileges.append(Self.privilege(name, collection, isAppendOnly ? Self.append : Self.readWrite))
      }
      rights = "find and insert in \(appendOnly.sorted().joined(separator: ", ")); the rest also update, remove"
    }
    all = [
      User(name: "mobo_\(service)", rights: rights, privileges: privileges, roles: []),
      User(
        name: "mobo_\(service)_migrate", rights: "everything about the schema, and documents", privileges: [],
        roles: ["readWrite", "dbAdmin"]),
    ]
  }

  private static func privilege(_ database: String, _ collection: String, _ actions: BSONValue) -> BSONDocument {
    ["resource": ["db": .string(database), "collection": .string(collection)], "actions": actions]
  }

  /// Whether the deployment asks who somebody is at all.
  public func isAccessControlled() async throws -> Bool {
    try await database.run { connection in
      let options: BSONDocument
      do {
        options = try connection.command(["getCmdLineOpts": 1], database: "admin")
      } catch MongoFailure.other(let code, _) where [Self.unauthorized, Self.authenticationFailed].contains(code) {
        return true
      }
      let security = try options.optionalDocument("parsed")?.optionalDocument("security")
      let isAuthorizing = try security?.optionalString("authorization") == "enabled"
      return isAuthorizing || (security?.has("keyFile") ?? false) || (security?.has("clusterAuthMode") ?? false)
    }
  }

  private static let unauthorized: Int32 = 13
  private static let authenticationFailed: Int32 = 18
  private static let userOrRoleExists: Set<Int32> = [51_002, 51_003]

  /// Creates the user, or gives the one that is there these rights and this password. May be repeated.
  public func ensure(_ user: User, password: String) async throws -> Change {
    let name = database.name
    return try await database.run { connection in
      var roles = user.roles.map { BSONValue.document(["role": .string($0), "db": .string(name)]) }
      if !user.privileges.isEmpty {
        let rights: BSONDocument = ["privileges": .documents(user.privileges), "roles": []]
        _ = try Self.createOrUpdate("Role", user.name, rights, connection)
        roles.append(["role": .string(user.name), "db": .string(name)])
      }
      let identity: BSONDocument = [
        "pwd": .string(password), "roles": .array(roles), "mechanisms": ["SCRAM-SHA-256"],
      ]
      return try Self.createOrUpdate("User", user.name, identity, connection)
    }
  }

  private static func createOrUpdate(
    _ kind: String, _ name: String, _ body: BSONDocument, _ connection: MongoConnection
  ) throws -> Change {
    func send(_ verb: String) throws {
      var command = BSONDocument([("\(verb)\(kind)", .string(name))])
      command.append(contentsOf: body)
      try connection.run(command, about: "", .write)
    }
    do {
      try send("create")
      return .created
    } catch MongoFailure.other(let code, _) where userOrRoleExists.contains(code) {
      try send("update")
      return .updated
    } catch MongoFailure.duplicateKey {
      try send("update")
      return .updated
    }
  }

  /// The deployment of `uri` with another user, who is known to the database of that name.
  public static func uri(_ uri: String, user: String, password: String, database: String) -> String {
    guard let scheme = uri.firstRange(of: "://") else { return uri }
    var rest = uri[scheme.upperBound...]
    if let at = rest.lastIndex(of: "@") { rest = rest[rest.index(after: at)...] }
    let hosts = rest.prefix { $0 != "/" && $0 != "?" }
    let options = rest.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false).dropFirst().first ?? ""
    let kept = options.split(separator: "&").filter { option in
      let name = option.prefix { $0 != "=" }.lowercased()
      return !["authsource", "authmechanism", "authmechanismproperties"].contains(name)
    }
    let all = kept.map(String.init) + ["authSource=\(database)"]
    let credentials = "\(escaped(user)):\(escaped(password))@"
    return uri[..<scheme.upperBound] + credentials + hosts + "/?" + all.joined(separator: "&")
  }

  /// Percent-encoding of everything but RFC 3986's unreserved characters.
  private static func escaped(_ text: String) -> String {
    var escaped = ""
    for byte in text.utf8 {
      let isPlain =
        UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte | 0x20 || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte
        || [UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~")].contains(byte)
      if isPlain {
        escaped.unicodeScalars.append(Unicode.Scalar(byte))
      } else {
        let hex = String(byte, radix: 16, uppercase: true)
        escaped += "%" + (hex.count == 1 ? "0" : "") + hex
      }
    }
    return escaped
  }
}
