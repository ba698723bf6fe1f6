import Kernel
import Mongo

/// Makes the server fail commands of one application (`failCommand`; needs `enableTestCommands`).
public struct FailPoint: Sendable {
  /// What happens to a command that is hit.
  public enum Effect: Sendable {
    /// The command fails with this code, before it does anything. Without labels the server adds its usual ones.
    case error(code: Int64, labels: [String]? = nil)
    /// The command succeeds and its reply carries a write concern error.
    case writeConcernError(code: Int64, labels: [String]? = nil)
    /// The connection breaks before the command runs.
    case closeConnection
    /// The command waits before it runs.
    case block(milliseconds: Int64)
  }

  public let commands: [String]
  public let effect: Effect
  /// How often it strikes; nil until it is switched off.
  public let times: Int64?
  /// Commands let through before the first strike.
  public let skip: Int64?
  /// Strikes only commands on this collection of the test's database; nil strikes those on all.
  public let collection: String?

  public init(
    _ commands: [String], _ effect: Effect, times: Int64? = 1, skip: Int64? = nil, on collection: String? = nil
  ) {
    self.commands = commands
    self.effect = effect
    self.times = times
    self.skip = skip
    self.collection = collection
  }

  /// The server has one such failpoint: tests of all processes take turns through a lock document that expires by
  /// the server's clock.
  private static let lockDatabase = "t_failpoints"
  private static let lockMilliseconds: Int64 = 60_000
  private static let lockAttemptsMax = 1_200

  /// Strikes commands of `mongo`'s client while `body` runs.
  public func active<Value: Sendable>(
    for mongo: TestMongo, _ body: () async throws -> Value
  ) async throws -> Value {
    let appName = mongo.appName
    let namespace = collection.map { "\(mongo.database.name).\($0)" }
    return try await TestMongo.asOperator { database in
      try await Self.lock(database, holder: appName)
      let result: Result<Value, any Error>
      do {
        try await configure(database, appName, namespace)
        result = .success(try await body())
      } catch {
        result = .failure(error)
      }
      _ = try await database.run { connection in
        try connection.command(["configureFailPoint": "failCommand", "mode": "off"], database: "admin")
      }
      try await Self.unlock(database, holder: appName)
      return try result.get()
    }
  }

  private func configure(_ database: MongoDatabase, _ appName: String, _ namespace: String?) async throws {
    var data: BSONDocument = ["failCommands": .strings(commands), "appName": .string(appName)]
    if let namespace { data.append("namespace", .string(namespace)) }
    switch effect {
    case .error(let code, let labels):
      data.append("errorCode", .int64(code))
      if let labels { data.append("errorLabels", .strings(labels)) }
    case .writeConcernError(let code, let labels):
      data.append("writeConcernError", ["code": .int64(code), "errmsg": "failpoint"])
      if let labels { data.append("errorLabels", .strings(labels)) }
    case .closeConnection:
      data.append("closeConnection", true)
    case .block(let milliseconds):
      data.append("blockConnection", true)
      data.append("blockTimeMS", .int64(milliseconds))
    }
    let mode: BSONValue =
      if let skip, times == nil { ["skip": .int64(skip)] } else if let times { ["times": .int64(times)] } else {
        "alwaysOn"
      }
    let command: BSONDocument = ["configureFailPoint": "failCommand", "mode": mode, "data": .document(data)]
    _ = try await database.run { try $0.command(command, database: "admin") }
  }

  private static func lock(_ database: MongoDatabase, holder: String) async throws {
    let locks = database.renamed(lockDatabase)
    for _ in 1...lockAttemptsMax {
      let isOurs = try await locks.run { connection in
        _ = try connection.insertMissing(
          "locks", [["_id": "failCommand", "expiresAt": .datetime(.init(milliseconds: 0))]])
        return try connection.updateOne(
          "locks", ["_id": "failCommand", "$expr": ["$lt": ["$expiresAt", "$$NOW"]]],
          pipeline: [
            ["$set": ["holder": .string(holder), "expiresAt": ["$add": ["$$NOW", .int64(lockMilliseconds)]]]]
          ]
        ).matched == 1
      }
      if isOurs { return }
      try await Task.sleep(for: .milliseconds(50))
    }
    throw MongoFailure.timeout
  }

  private static func unlock(_ database: MongoDatabase, holder: String) async throws {
    _ = try await database.renamed(lockDatabase).run { connection in
      try connection.updateOne(
        "locks", ["_id": "failCommand", "holder": .string(holder)],
        ["$set": ["expiresAt": .datetime(.init(milliseconds: 0))]])
    }
  }
}
