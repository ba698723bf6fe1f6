import Access
import Config
import Kernel
import Mongo

/// `migrate users`: the service's own users in the database, and the files with which processes name themselves there.
struct UsersCommand {
  let service: ServiceName
  let common: CommonSettings
  let settings: MongoSettings
  let appendOnly: Set<String>
  let migrations: [Migration]

  func run(_ database: MongoDatabase, isDryRun: Bool) async throws {
    let users = DatabaseUsers(database, service: service.rawValue, appendOnly: appendOnly, migrations: migrations)
    guard try await users.isAccessControlled() else {
      print("this deployment has no access control: nothing done")
      return
    }
    let folder = "\(common.stateDirectory)/secrets"
    for user in users.all {
      let file = "\(folder)/\(user.name)"
      if isDryRun {
        print("would create or update \(user.name) in \(database.name): \(user.rights)")
        continue
      }
      let password = try password(in: "\(file).password", folder)
      let change = try await users.ensure(user, password: password)
      let uri = DatabaseUsers.uri(
        settings.adminURI ?? settings.uri, user: user.name, password: password, database: database.name)
      try write("\(file).uri", folder, uri)
      print("\(change.rawValue) \(user.name) in \(database.name): \(user.rights); its URI is in \(file).uri")
    }
  }

  /// What the file holds, or a new one made there: 32 random bytes.
  private func password(in path: String, _ folder: String) throws -> String {
    do {
      if try !PrivateFile.exists(path) {
        var random = SystemRandomNumberGenerator()
        let digits = (0..<64).map { _ in Character(String(UInt8.random(in: 0..<16, using: &random), radix: 16)) }
        try PrivateFile.create(path, in: folder, Array(String(digits).utf8))
      }
      let text = String(decoding: try PrivateFile.read(path), as: UTF8.self)
      let password = String(text.split(whereSeparator: \.isNewline).first ?? "")
      guard password.utf8.count >= 16 else {
        throw StartFailure(.configuration, "\(path): a password of at least 16 characters is needed")
      }
      return password
    } catch let problem as FileProblem {
      throw StartFailure(.configuration, "\(path): \(problem)")
    }
  }

  private func write(_ path: String, _ folder: String, _ text: String) throws {
    do {
      try PrivateFile.replace(path, in: folder, Array((text + "\n").utf8))
    } catch {
      throw StartFailure(.configuration, "\(path): \(error)")
    }
  }
}
